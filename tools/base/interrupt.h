/* Ctrl-C and SIGTERM, noted for a long verb to stop when it can. The library knows nothing of it. */
#ifndef TLEG_TOOLS_INTERRUPT_H
#define TLEG_TOOLS_INTERRUPT_H

enum { EXIT_INTERRUPTED = 130 };

/* From now on the first signal is noted; a second one ends the process at once, as without us. */
void interrupt_watch(void);
/* The signal that came, or 0. */
int interrupt_signal(void);

#endif
