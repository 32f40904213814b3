/* Signals that ask a long verb to end, noted for it to do so when it can. The library knows nothing of it. */
#ifndef TLEG_TOOLS_INTERRUPT_H
#define TLEG_TOOLS_INTERRUPT_H

enum { EXIT_INTERRUPTED = 130 }; /* until interrupt_code tells which signal it was */

/* From now on the first Ctrl-C, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU or SIGPIPE is noted, and a line on standard error
 * says what follows from it: `sentence`, which has no end, or "" for no line. A Ctrl-C or SIGTERM that comes later ends the
 * process at once. Signals that whoever started the command ignores stay ignored. */
void interrupt_watch(const char *sentence);
/* Calls `tell` when the first comes, inside the signal's handler: it may do what a handler may, and stops work that does not
 * ask. NULL: no longer. Before interrupt_watch. */
void interrupt_tell(void (*tell)(void *host), void *host);
/* The signal that came, or 0. */
int interrupt_signal(void);
/* The exit code of a verb that ended by it: 128 and its number, as a shell has it. */
int interrupt_code(void);
/* Its name. */
const char *interrupt_name(void);

/* Between the two a second one waits: files that are being written become whole. */
void interrupt_hold(void);
void interrupt_release(void);

#endif
