/* A program at the other ends of two pipes: its standard input and output; its standard error is ours. Whatever it does, no
 * call waits longer than it was told to, a pipe that it closed does not end us, and no process of it remains. */
#ifndef TLEG_TOOLS_CHILD_H
#define TLEG_TOOLS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CHILD_TEXT = 128 };

struct child {
    pid_t pid;   /* 0: none */
    int in, out; /* our ends: to its standard input, from its standard output */
    bool ended;  /* and then how: */
    int status, signal;
};

/* Runs the command with /bin/sh, in a process group of its own, so that a Ctrl-C in the terminal is ours alone to act on. False
 * with the reason in errno. */
bool child_start(struct child *child, const char *command);

enum child_result {
    CHILD_DONE,
    CHILD_CLOSED,  /* it closed its standard output, as it does by ending */
    CHILD_DEAF,    /* it closed its standard input before it had read all */
    CHILD_LATE,    /* the time is over */
    CHILD_STOPPED, /* likewise, and sooner, since a signal asks us to end */
    CHILD_FAILED   /* the system's reason is in errno */
};

struct child_part {
    const void *bytes;
    size_t count;
};

/* What goes out and comes in. It may come in while there is more to send, and is taken then. */
struct child_exchange {
    struct child_part send[2];
    size_t sent;
    unsigned char *received;
    size_t count, room; /* bytes received so far; that there is room for */
    double deadline;    /* as measure_seconds tells the time */
    double patience;    /* seconds that are left to it once a signal asks us to end */
};

/* Goes on until all is sent and `least` bytes are received in all, or there is no room left. */
enum child_result child_go_on(struct child *child, struct child_exchange *exchange, size_t least);

/* Whether something has come that was not received yet, or its standard output is closed. */
bool child_has_more(const struct child *child);

/* Waits for it to end by itself: true, and child->ended, if it does within so many seconds. */
bool child_wait(struct child *child, double seconds);
/* "exit status 3", "signal 9 (Killed)", or what a shell that ran it says of a signal, of one that has ended. */
void child_describe(const struct child *child, char text[CHILD_TEXT]);

/* Closes the pipes, which asks it to end; after `grace` seconds SIGTERM asks it and all that it started, and SIGKILL ends them
 * soon after. True when it ended by itself. A child that was never started, or ended so before, is allowed. */
bool child_end(struct child *child, double grace);

#endif
