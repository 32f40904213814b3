/* Scores as people and other programs are told them, and into a file that is there. */
#ifndef TLEG_TOOLS_SCORES_H
#define TLEG_TOOLS_SCORES_H

#include "source.h"

#include "base/report.h"

/* {"on", "images", "depths", "scores"}, as a file has it (docs/file.md); null for none. */
json_t *scores_json(const tleg_scores *scores);
/* Whether scores can be put into the file, asked before there are any; it is kept from other runs (place.h). An exit code. */
int scores_prepare(const struct invocation *call, tleg_context *context, const char *path, const tleg_file *file);
/* A number for all that a file holds, its metadata too. */
tleg_status scores_digest(tleg_context *context, const tleg_file *file, uint64_t *digest);
struct scored {
    const char *path;
    uint64_t file, data; /* scores_digest's when it was opened to be scored; part_identity's, which the file keeps */
    const tleg_scores *former, *scores; /* former: what it said then, NULL for nothing */
};
/* Puts scores into a learngene's or model's file and leaves all else in it as it is. Other depths' scores of the same data
 * stay; those of other data go, which is said. A file that is no longer what was scored is refused. Returns an exit code. */
int scores_write(const struct invocation *call, tleg_context *context, const struct scored *scored);

#endif
