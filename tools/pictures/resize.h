/* Prepared images at another size, for a network that takes it. Filters are those of PIL, antialiased, on floats, as
 * torchvision has them for tensors; nothing is rounded or cut. */
#ifndef TLEG_TOOLS_RESIZE_H
#define TLEG_TOOLS_RESIZE_H

#include <stddef.h>
#include <tleg/tleg.h>

struct resize;

/* From planes (rows, columns) to planes (out_rows, out_columns), each side from 1 to 2^24. NULL: out of memory. */
struct resize *resize_start(int32_t rows, int32_t columns, int32_t out_rows, int32_t out_columns, tleg_interpolation filter);
/* One thread at a time uses a plan. */
void resize_plane(struct resize *resize, const float *plane, float *out);
void resize_end(struct resize *resize); /* NULL is allowed */

#endif
