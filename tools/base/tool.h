/* What every verb of the command shares: how it is called, how it fails, the context it works with. */
#ifndef TLEG_TOOLS_TOOL_H
#define TLEG_TOOLS_TOOL_H

#include <stdbool.h>
#include <tleg/tleg.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSE = 2 };

struct verb {
    const char *name;
    const char *summary; /* half a line, for `tleg --help` */
    const char *usage;   /* after "usage: ", one line or more */
    const char *details; /* the rest of the verb's help, without the options that all verbs share */
    const char *more;    /* help that several verbs share, after the details; or NULL */
    int (*run)(const struct verb *verb, int argc, char **argv); /* argv[0] is the first argument; the exit code comes back */
};

extern const struct verb verb_new, verb_info, verb_expand, verb_run, verb_plan, verb_classify, verb_eval, verb_distill,
    verb_tune, verb_grad, verb_linearize, verb_check, verb_bench;

/* One call of a verb: what all verbs are asked, and what they work with. */
struct call {
    const struct verb *verb;
    bool json;
    int32_t threads, level, heads;
    char **operands; /* arguments that are no options, in order */
    int operand_count;
};

/* "tleg: VERB: text" on standard error; EXIT_FAILED, so that a verb can return it. */
__attribute__((format(printf, 2, 3))) int tool_fail(const struct call *call, const char *format, ...);
/* The same, and the verb's usage after it; EXIT_MISUSE. */
__attribute__((format(printf, 2, 3))) int tool_misuse(const struct call *call, const char *format, ...);
/* "tleg: VERB: note: text" on standard error: worth knowing, no failure. */
__attribute__((format(printf, 2, 3))) void tool_note(const struct call *call, const char *format, ...);
/* A line on standard output that holds names from files: control characters in it are shown as `?`. */
__attribute__((format(printf, 1, 2))) void tool_line(const char *format, ...);
/* The failure of a library call, in the context's words. */
int tool_fail_context(const struct call *call, const tleg_context *context);
int tool_fail_memory(const struct call *call);

/* A context as the call asks for it, or NULL after saying why. The call must outlive the context. */
tleg_context *tool_context(const struct call *call);
/* The same with options of the verb's own; what the call says about level, threads and notes is filled in. */
tleg_context *tool_context_with(const struct call *call, const tleg_context_options *own);

const char *tool_level_name(int32_t level);
const char *tool_dtype_name(int32_t dtype);

/* Monotonic time in milliseconds. */
double tool_clock(void);

#endif
