/* Signals that ask a long verb to end, noted for it to do so when it can. The library knows nothing of it. */
#ifndef TLEG_TOOLS_INTERRUPT_H
#define TLEG_TOOLS_INTERRUPT_H

enum { EXIT_INTERRUPTED = 130 };

/* From now on the first Ctrl-C or SIGTERM is noted, and `sentence`, a whole line, says on standard error what follows from it;
 * a second one ends the process at once. */
void interrupt_watch(const char *sentence);
/* The signal that came, or 0. */
int interrupt_signal(void);
/* Its name. */
const char *interrupt_name(void);

/* Between the two a second signal waits: files that are being written become whole. */
void interrupt_hold(void);
void interrupt_release(void);

#endif
