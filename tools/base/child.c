/* A program at the other ends of two pipes, in POSIX's words. */
#include "child.h"

#include "interrupt.h"
#include "measure.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* Seconds: a signal may come to another thread, or just before a wait, so that waits are short; the last words of a program
 * that no longer listens; and from SIGTERM to SIGKILL. */
static const double slice = 0.25, last_words = 1, mercy = 2;

/* The status of a shell whose program was ended by a signal is its number and this. */
enum { SHELLS_SIGNALS = 128, MOST_SIGNALS = 32 };

/* ---- the start ---- */

static void close_both(int ends[2]) {
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

/* A pipe that no other program inherits, and whose end `ours` never blocks. */
static bool open_pipe(int ends[2], int ours) {
    if (pipe(ends) != 0) {
        ends[0] = ends[1] = -1;
        return false;
    }
    return fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0 &&
           fcntl(ends[ours], F_SETFL, O_NONBLOCK) == 0;
}

/* It starts as from a shell, whatever this process ignores or blocks. */
static int set_attributes(posix_spawnattr_t *attributes) {
    sigset_t usual, none;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGINT);
    sigaddset(&usual, SIGTERM);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGXFSZ);
    int error = posix_spawnattr_setpgroup(attributes, 0);
    if (!error)
        error = posix_spawnattr_setsigdefault(attributes, &usual);
    if (!error)
        error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error)
        error = posix_spawnattr_setflags(attributes,
                                         (short)(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
    return error;
}

static int spawn(pid_t *pid, const char *command, int in, int out) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char shell[] = "/bin/sh", option[] = "-c";
    char *const arguments[] = {shell, option, (char *)(uintptr_t)command, NULL};
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = set_attributes(&attributes);
        if (!error)
            error = posix_spawn_file_actions_adddup2(&actions, in, 0);
        if (!error)
            error = posix_spawn_file_actions_adddup2(&actions, out, 1);
        if (!error)
            error = posix_spawn(pid, shell, &actions, &attributes, arguments, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

bool child_start(struct child *child, const char *command) {
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    *child = (struct child){.in = -1, .out = -1};
    int error = open_pipe(in, 1) && open_pipe(out, 0) ? spawn(&child->pid, command, in[0], out[1]) : errno;
    if (error) {
        close_both(in);
        close_both(out);
        child->pid = 0;
        errno = error;
        return false;
    }
    close(in[0]);
    close(out[1]);
    child->in = in[1];
    child->out = out[0];
    return true;
}

/* ---- the exchange ---- */

static size_t to_send(const struct child_exchange *exchange) {
    return exchange->send[0].count + exchange->send[1].count - exchange->sent;
}

static bool is_passing(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static enum child_result send_some(struct child *child, struct child_exchange *exchange) {
    size_t first = exchange->send[0].count, at = exchange->sent;
    const struct child_part *part = &exchange->send[at >= first];
    at -= at >= first ? first : 0;
    ssize_t count = write(child->in, (const char *)part->bytes + at, part->count - at);
    if (count >= 0)
        exchange->sent += (size_t)count;
    else if (errno == EPIPE)
        return CHILD_DEAF;
    return count >= 0 || is_passing(errno) ? CHILD_DONE : CHILD_FAILED;
}

static enum child_result receive_some(struct child *child, struct child_exchange *exchange) {
    ssize_t count = read(child->out, exchange->received + exchange->count, exchange->room - exchange->count);
    if (count > 0)
        exchange->count += (size_t)count;
    else if (count == 0)
        return CHILD_CLOSED;
    return count > 0 || is_passing(errno) ? CHILD_DONE : CHILD_FAILED;
}

/* Waits for what is possible, and does it. */
static enum child_result step(struct child *child, struct child_exchange *exchange, bool *deaf) {
    struct pollfd ends[] = {{.fd = child->out, .events = POLLIN},
                            {.fd = !*deaf && to_send(exchange) ? child->in : -1, .events = POLLOUT}};
    double now = measure_seconds();
    if (interrupt_signal() && exchange->deadline > now + exchange->patience)
        exchange->deadline = now + exchange->patience;
    double left = exchange->deadline - now;
    if (left <= 0)
        return *deaf ? CHILD_DEAF : interrupt_signal() ? CHILD_STOPPED : CHILD_LATE;
    if (poll(ends, 2, (int)(1e3 * (left < slice ? left : slice)) + 1) < 0)
        return is_passing(errno) ? CHILD_DONE : CHILD_FAILED;
    enum child_result result = ends[0].revents ? receive_some(child, exchange) : CHILD_DONE;
    if (result == CHILD_DONE && ends[1].revents)
        result = send_some(child, exchange);
    if (result != CHILD_DEAF)
        return result;
    *deaf = true; /* what it has to say comes before what it does not hear */
    if (exchange->deadline > now + last_words)
        exchange->deadline = now + last_words;
    return CHILD_DONE;
}

/* Writing into a closed pipe raises SIGPIPE in this thread: kept away meanwhile, and taken back. */
static bool hold_pipe_signal(sigset_t *former) {
    sigset_t pipe_signal, pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    bool free_before = sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, former);
    return free_before;
}

static void release_pipe_signal(const sigset_t *former, bool free_before) {
    sigset_t pipe_signal, pending;
    int number, error = errno;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    if (free_before && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE))
        sigwait(&pipe_signal, &number);
    pthread_sigmask(SIG_SETMASK, former, NULL);
    errno = error;
}

enum child_result child_go_on(struct child *child, struct child_exchange *exchange, size_t least) {
    enum child_result result = CHILD_DONE;
    bool deaf = false;
    sigset_t former;
    bool free_before = hold_pipe_signal(&former);
    while (result == CHILD_DONE && exchange->count < exchange->room && (to_send(exchange) || exchange->count < least))
        result = step(child, exchange, &deaf);
    release_pipe_signal(&former, free_before);
    return result;
}

bool child_has_more(const struct child *child) {
    struct pollfd end = {.fd = child->out, .events = POLLIN};
    return poll(&end, 1, 0) > 0;
}

/* ---- the end ---- */

static void pause_for(double seconds) {
    const struct timespec span = {.tv_nsec = (long)(1e9 * seconds)};
    nanosleep(&span, NULL);
}

/* It stays a zombie until child_end, so that its group's number is nobody else's. */
bool child_wait(struct child *child, double seconds) {
    double deadline = measure_seconds() + seconds;
    for (double nap = 1e-3; !child->ended; nap = nap < 0.05 ? 2 * nap : nap) {
        siginfo_t info = {.si_pid = 0};
        if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno != EINTR)
            return false;
        if (info.si_pid) {
            child->ended = true;
            child->status = info.si_code == CLD_EXITED ? info.si_status : 0;
            child->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
        } else if (measure_seconds() >= deadline) {
            return false;
        } else {
            pause_for(nap);
        }
    }
    return true;
}

void child_describe(const struct child *child, char text[CHILD_TEXT]) {
    const int told =
        child->status > SHELLS_SIGNALS && child->status < SHELLS_SIGNALS + MOST_SIGNALS ? child->status - SHELLS_SIGNALS : 0;
    if (child->signal)
        snprintf(text, CHILD_TEXT, "signal %d (%s)", child->signal, strsignal(child->signal));
    else if (told)
        snprintf(text, CHILD_TEXT, "exit status %d (a shell's for signal %d, %s)", child->status, told, strsignal(told));
    else
        snprintf(text, CHILD_TEXT, "exit status %d", child->status);
}

/* Whether all that the child started has ended too, within so many seconds. */
static bool wait_for_group(pid_t group, double seconds) {
    double deadline = measure_seconds() + seconds;
    while (kill(-group, 0) == 0) {
        if (measure_seconds() >= deadline)
            return false;
        pause_for(0.005);
    }
    return true;
}

bool child_end(struct child *child, double grace) {
    pid_t pid = child->pid;
    if (!pid)
        return true;
    close(child->in);
    close(child->out);
    bool ended = child_wait(child, grace);
    kill(-pid, SIGTERM);
    if (!child_wait(child, mercy)) {
        kill(-pid, SIGKILL);
        child_wait(child, mercy);
    }
    if (child->ended)
        waitpid(pid, NULL, 0);
    if (!wait_for_group(pid, mercy)) { /* the shell may have ended before what it ran */
        kill(-pid, SIGKILL);
        wait_for_group(pid, mercy);
    }
    child->pid = 0;
    return ended;
}
