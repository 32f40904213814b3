/* A file in the making, from another that is open: tensors and metadata, as tleg_file_save and tleg_file_write take them. */
#ifndef TLEG_TOOLS_SOURCE_DRAFT_H
#define TLEG_TOOLS_SOURCE_DRAFT_H

#include <stdbool.h>
#include <tleg/file.h>

enum { DRAFT_MORE = 4 }; /* tensors, and pairs, that there is room for beside the file's */

struct draft {
    int64_t count, pairs;
    const char **names, **keys_and_values; /* lent: by the file, for one */
    tleg_tensor **tensors;                 /* its own */
};

/* Room for everything that the file holds, and nothing in it. false: no memory; draft_free is right in every case. */
bool draft_make(const tleg_file *file, struct draft *draft);
void draft_free(struct draft *draft);
void draft_put_pair(struct draft *draft, const char *key, const char *value);
/* A tensor of the file, as it is stored. */
tleg_status draft_put_tensor(tleg_context *context, struct draft *draft, const tleg_file *file, const char *name);
tleg_save_options draft_options(const struct draft *draft);

#endif
