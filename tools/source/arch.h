/* DeiT's shapes by name. */
#ifndef TLEG_TOOLS_ARCH_H
#define TLEG_TOOLS_ARCH_H

#include "base/options.h"

extern const struct choice arch_choices[];

/* Sets dim and heads: from the arch (one of arch_choices), or, when it is 0, from what the call gives; and what it says of the
 * activation and of eps. Returns an exit code. */
int arch_settle(const struct invocation *call, int32_t arch, tleg_config *config);
/* Reports why a learngene of these shapes was refused: the context's text, with the option's name for the struct's member. */
int arch_fail(const struct invocation *call, const tleg_context *context);

#endif
