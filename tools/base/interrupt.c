/* Notes the first signal; Ctrl-C or SIGTERM after it ends the process. */
#include "interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* What a terminal that closes, a batch system, and a reader that goes away send. */
static const struct watched {
    int number;
    bool asks; /* whoever sends it twice means it: the others come twice by themselves, or with each further second or line */
    const char *name, *what;
} watched[] = {{SIGINT, true, "SIGINT", NULL},
               {SIGTERM, true, "SIGTERM", NULL},
               {SIGHUP, false, "SIGHUP", "the terminal closed (SIGHUP)"},
               {SIGUSR1, false, "SIGUSR1", "SIGUSR1"},
               {SIGUSR2, false, "SIGUSR2", "SIGUSR2"},
               {SIGXCPU, false, "SIGXCPU", "the time limit is near (SIGXCPU)"},
               {SIGPIPE, false, "SIGPIPE (nobody reads the output)", "nobody reads the output (SIGPIPE)"}};
enum { WATCHED = sizeof watched / sizeof *watched, LINE = 256 };

static volatile sig_atomic_t came, again, held;
static char lines[WATCHED][LINE]; /* what each says when it comes first */
static int drawn_on;              /* a progress bar may stand on the terminal's line */

static void (*volatile told)(void *host);
static void *volatile told_host;

static size_t index_of(int number) {
    size_t i = 0;
    while (i + 1 < WATCHED && watched[i].number != number)
        i++;
    return i;
}

static void say(const char *line) {
    ssize_t written = *line && drawn_on ? write(STDERR_FILENO, "\n", 1) : 0;
    written += *line ? write(STDERR_FILENO, line, strlen(line)) : 0;
    (void)written; /* nothing can be done about it here */
}

static void end_by(int number) {
    say("tleg: asked again: stopped at once\n");
    signal(number, SIG_DFL);
    raise(number);
}

static void note(int number) {
    int error = errno;
    if (!came) {
        came = number;
        say(lines[index_of(number)]);
        if (told)
            told(told_host);
    } else if (watched[index_of(number)].asks) {
        again = number;
        if (!held)
            end_by(number);
    }
    errno = error;
}

/* Its line: what came, unless that is known; what follows; and what ends the process at once. */
static void make_line(size_t i, const char *sentence) {
    static const char *const parts[] = {"tleg: ", "; Ctrl-C or SIGTERM: stop at once\n"};
    const char *texts[] = {parts[0], watched[i].what ? watched[i].what : "", watched[i].what ? ": " : "", sentence,
                           watched[i].asks ? "; again: stop at once\n" : parts[1]};
    size_t length = 0;
    lines[i][0] = '\0';
    for (size_t k = 0; *sentence && k < sizeof texts / sizeof *texts; k++) {
        size_t more = strlen(texts[k]);
        if (length + more >= LINE)
            return;
        memcpy(lines[i] + length, texts[k], more + 1);
        length += more;
    }
}

/* `ulimit -t` sets both limits, and at the hard one the system kills without a signal before it: some seconds are kept for
 * that. */
static void keep_time_to_end(void) {
    enum { SECONDS = 5 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_CPU, &limit) != 0 || limit.rlim_max == RLIM_INFINITY || limit.rlim_cur < limit.rlim_max)
        return;
    limit.rlim_cur -= limit.rlim_cur > 2 * SECONDS ? SECONDS : limit.rlim_cur / 2;
    (void)setrlimit(RLIMIT_CPU, &limit); /* without it the run ends as it would have */
}

void interrupt_watch(const char *sentence) {
    struct sigaction action, former;
    drawn_on = isatty(STDERR_FILENO);
    keep_time_to_end();
    memset(&action, 0, sizeof action);
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < WATCHED; i++) {
        make_line(i, sentence);
        if (sigaction(watched[i].number, NULL, &former) == 0 && former.sa_handler != SIG_IGN)
            sigaction(watched[i].number, &action, NULL);
    }
}

void interrupt_tell(void (*tell)(void *host), void *host) {
    told = NULL; /* never with the other's host */
    told_host = host;
    told = tell;
}

int interrupt_signal(void) {
    return came;
}

int interrupt_code(void) {
    return came ? 128 + came : EXIT_INTERRUPTED;
}

const char *interrupt_name(void) {
    return came ? watched[index_of(came)].name : "a signal to another process";
}

void interrupt_hold(void) {
    held = 1;
}

void interrupt_release(void) {
    held = 0;
    if (again)
        end_by(again);
}
