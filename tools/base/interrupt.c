/* Notes the first signal; the second ends the process. */
#include "interrupt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t came, again, held;
static const char *line;
static size_t line_length;
static int drawn_on; /* a progress bar may stand on the terminal's line */

static void end_by(int number) {
    signal(number, SIG_DFL);
    raise(number);
}

static void note(int number) {
    int error = errno;
    if (came) {
        again = number;
        if (!held)
            end_by(number);
    } else {
        came = number;
        ssize_t written = drawn_on ? write(STDERR_FILENO, "\n", 1) : 0;
        written += write(STDERR_FILENO, line, line_length);
        (void)written; /* nothing can be done about it here */
    }
    errno = error;
}

void interrupt_watch(const char *sentence) {
    static const int numbers[] = {SIGINT, SIGTERM};
    struct sigaction action;
    line = sentence;
    line_length = strlen(sentence);
    drawn_on = isatty(STDERR_FILENO);
    memset(&action, 0, sizeof action);
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
}

int interrupt_signal(void) {
    return came;
}

const char *interrupt_name(void) {
    return came == SIGTERM ? "SIGTERM" : "SIGINT";
}

void interrupt_hold(void) {
    held = 1;
}

void interrupt_release(void) {
    held = 0;
    if (again)
        end_by(again);
}
