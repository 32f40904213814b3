/* Notes the first signal; the second ends the process. */
#include "interrupt.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t came;

static void note(int number) {
    came = number;
}

void interrupt_watch(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = note;
    action.sa_flags = SA_RESTART | (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int interrupt_signal(void) {
    return came;
}
