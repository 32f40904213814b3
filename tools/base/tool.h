/* What every verb of the command shares: how it is called, what it says, how it fails. */
#ifndef TLEG_TOOLS_TOOL_H
#define TLEG_TOOLS_TOOL_H

#include <stdbool.h>
#include <tleg/tleg.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSE = 2 };

struct verb {
    const char *name;
    const char *summary;     /* half a line, for `tleg --help` */
    const char *usage;       /* after "usage: ", one line or more */
    const char *details;     /* the rest of the verb's help, without the options that all verbs share */
    const char *const *more; /* help that several verbs share, after the details: texts up to a NULL; or NULL */
    int (*run)(const struct verb *verb, int argc, char **argv); /* argv[0] is the first argument; the exit code comes back */
};

#define VERB(name) extern const struct verb verb_##name;
#include "verbs.def"
#undef VERB

struct pictures; /* source/pictures.h */

/* One call of a verb: what all verbs are asked, and what they work on. */
struct invocation {
    const struct verb *verb;
    bool json;
    int32_t threads, level, gemm, heads, activation;
    double eps;                      /* of the norms; 0: not given */
    const char *key;                 /* of a PyTorch file's set of weights; NULL: the library chooses */
    const char *names;               /* the text of --names; NULL: none */
    const char *names_path;          /* the file that it was read from */
    const struct pictures *pictures; /* how they are prepared, in place of what the file says; NULL: as the file says */
    char **operands;                 /* arguments that are not options, in order */
    int operand_count;
};

/* "tleg: VERB: text" on standard error; EXIT_FAILED, so that a verb can return it. */
__attribute__((format(printf, 2, 3))) int tool_fail(const struct invocation *call, const char *format, ...);
/* The same, and the verb's usage after it; EXIT_MISUSE. */
__attribute__((format(printf, 2, 3))) int tool_misuse(const struct invocation *call, const char *format, ...);
/* "tleg: VERB: note: text" on standard error: worth knowing, not a failure. */
__attribute__((format(printf, 2, 3))) void tool_note(const struct invocation *call, const char *format, ...);
/* A line on standard output that holds names from files. Here and above, characters that a terminal obeys are shown as `?`, and
 * bytes that are not UTF-8 as \xNN. */
__attribute__((format(printf, 1, 2))) void tool_line(const char *format, ...);
/* The failure of a library call, in the context's words. */
int tool_fail_context(const struct invocation *call, const tleg_context *context);
int tool_fail_memory(const struct invocation *call);

/* "s" where there is not one. */
static inline const char *tool_plural(int64_t count) {
    return count == 1 ? "" : "s";
}
const char *tool_dtype_name(int32_t dtype);
/* "f32 [2,3,32,32]" */
void tool_shape(const tleg_tensor_info *info, char *text, size_t size);

#endif
