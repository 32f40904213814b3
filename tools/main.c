/* The command tleg: finds the verb, and makes sure that what it printed arrived. */
#include "base/interrupt.h"
#include "base/nearest.h"
#include "base/options.h"
#include "base/place.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VERB(name) &verb_##name,
static const struct verb *const verbs[] = {
#include "verbs.def"
};
#undef VERB
enum { VERBS = sizeof verbs / sizeof *verbs };

static void print_usage(FILE *stream) {
    fputs("usage: tleg VERB ... (tleg VERB --help says more)\n"
          "       tleg --help | --version\n\n"
          "Expands a learngene into Vision Transformers of any depth, runs them, and learns them.\n\n",
          stream);
    for (int i = 0; i < VERBS; i++)
        fprintf(stream, "  %-10s%s\n", verbs[i]->name, verbs[i]->summary);
    fputc('\n', stream);
    fputs(options_shared_help, stream);
}

static void print_version(void) {
    uint32_t version = tleg_version();
    printf("tleg %u.%u.%u\n", version / 1000000, version / 1000 % 1000, version % 1000);
}

static void refuse_verb(const char *name) {
    struct nearest best = {0};
    char shown[256];
    text_show(name, shown, sizeof shown);
    for (int i = 0; i < VERBS; i++)
        nearest_offer(&best, name, strlen(name), verbs[i]->name);
    if (best.word)
        fprintf(stderr, "tleg: unknown verb \"%s\"; did you mean \"%s\"?\n", shown, best.word);
    else
        fprintf(stderr, "tleg: unknown verb \"%s\"\n", shown);
    print_usage(stderr);
}

static int run_verb(int argc, char **argv) {
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_MISUSE;
    }
    for (int i = 0; i < VERBS; i++)
        if (strcmp(argv[1], verbs[i]->name) == 0)
            return verbs[i]->run(verbs[i], argc - 2, argv + 2);
    if (strcmp(argv[1], "--help") == 0)
        print_usage(stdout);
    else if (strcmp(argv[1], "--version") == 0)
        print_version();
    else {
        refuse_verb(argv[1]);
        return EXIT_MISUSE;
    }
    return EXIT_DONE;
}

/* A standard stream that the caller closed would lend its number to the next file that is opened, and messages would be
 * written into that. /dev/null, opened the wrong way round, keeps the number and fails as a closed stream does. */
static bool hold_standard_streams(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return true;
}

int main(int argc, char **argv) {
    if (!hold_standard_streams())
        return EXIT_FAILED;
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error of whoever writes */
    int code = run_verb(argc, argv);
    place_leave_all();
    errno = 0;
    bool lost = ferror(stdout) != 0;
    lost |= fclose(stdout) != 0;
    bool said = code != EXIT_DONE && interrupt_signal() == SIGPIPE;
    if (lost && !said) {
        fprintf(stderr, "tleg: standard output: %s\n", errno ? strerror(errno) : "cannot be written");
        return code == EXIT_DONE ? EXIT_FAILED : code;
    }
    return code;
}
