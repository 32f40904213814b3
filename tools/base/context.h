/* The library's context, made as a verb was called: with its threads and its level. */
#ifndef TLEG_TOOLS_CONTEXT_H
#define TLEG_TOOLS_CONTEXT_H

#include "options.h"

/* A context as the call asks for it, or NULL after saying why. The call must outlive the context. */
tleg_context *tool_context(const struct invocation *call);
/* The same with options of the verb's own; what the call says about level, threads and notes is filled in. */
tleg_context *tool_context_with(const struct invocation *call, const tleg_context_options *own);

/* Says which levels there are, where the one that the call asks for is not. EXIT_FAILED. */
int tool_refuse_level(const struct invocation *call);

#endif
