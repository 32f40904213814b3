/* What the targets that open networks do alike, whichever family they look at. */
#ifndef TLEG_TESTS_FUZZ_NETWORKS_H
#define TLEG_TESTS_FUZZ_NETWORKS_H

#include <stddef.h>
#include <stdint.h>
#include <tleg/tleg.h>

/* Opens a file's bytes, and looks at what comes of it. */
typedef void fuzz_open(tleg_context *context, const uint8_t *bytes, size_t size);
/* A list of tensors (target.h) as a learngene and as a model, twice: with an allocator that serves, and with one that refuses
 * a call. */
void fuzz_networks(const uint8_t *data, size_t size, fuzz_open *as_gene, fuzz_open *as_model);

/* What is saved is read as the same. With an allocator that refuses a call, saving may fail; then there is nothing to compare.
 */
void fuzz_save_gene(tleg_context *context, const tleg_learngene *gene, const tleg_config *config);
void fuzz_save_model(tleg_context *context, const tleg_model *model, const tleg_config *config);

#endif
