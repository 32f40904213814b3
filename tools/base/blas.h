/* The BLAS that the command hands to the library. */
#ifndef TLEG_TOOLS_BLAS_H
#define TLEG_TOOLS_BLAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tleg/core.h>

/* Whether this build knows one, be it linked into the library. */
bool blas_is_known(void);

enum { BLAS_TEXT = 256 };

/* Sets options->sgemm, for options->workers threads. False with a sentence in `why` where it is not there, cannot be loaded,
 * has no room or computes wrongly. One that the library links needs nothing: true. The first call should come before the
 * process has threads of its own: it sets the environment that says how many a BLAS may start, where that does not say so
 * already. */
bool blas_offer(tleg_context_options *options, char why[BLAS_TEXT]);

#endif
