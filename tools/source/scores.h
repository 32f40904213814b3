/* Scores as people and other programs are told them, and into a file that is there. */
#ifndef TLEG_TOOLS_SCORES_H
#define TLEG_TOOLS_SCORES_H

#include "base/report.h"

/* {"on", "images", "depths", "scores"}, as a file has it (docs/file.md); null for none. */
json_t *scores_json(const tleg_scores *scores);
/* Whether scores can be put into the file, asked before there are any; it is kept from other runs (place.h). An exit code. */
int scores_prepare(const struct invocation *call, const char *path);
/* Puts scores into a learngene's or model's file and leaves all else in it as it is. Other depths' scores of the same data
 * (identity: of part_identity, which the file keeps) stay; those of other data go, which is said. Returns an exit code. */
int scores_write(const struct invocation *call, tleg_context *context, const char *path, const tleg_scores *former,
                 const tleg_scores *scores, uint64_t identity);

#endif
