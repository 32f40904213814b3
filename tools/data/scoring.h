/* How many pictures of a folder are classified right, at each of some depths; each picture is read once. */
#ifndef TLEG_TOOLS_SCORING_H
#define TLEG_TOOLS_SCORING_H

#include "dataset.h"
#include "source/depths.h"
#include "source/source.h"

struct scoring_options {
    const char *data;
    int32_t batch;
    int32_t val_every; /* every N-th picture of each class alone, as a training judges by; 0: all */
    bool skip_bad, exif;
    struct pictures pictures;
};

/* Their entries in a verb's table, and lines in its help. */
#define SCORING_OPTIONS(o)                                                                                                     \
    {"--data", OPTION_TEXT, &(o).data, 0, 0, NULL}, {"--val-every", OPTION_COUNT, &(o).val_every, 2, INT32_MAX, NULL},         \
        {"--skip-bad", OPTION_FLAG, &(o).skip_bad, 0, 0, NULL}, {"--exif", OPTION_FLAG, &(o).exif, 0, 0, NULL},                \
        PICTURES_OPTIONS((o).pictures)
#define SCORING_HELP                                                                                                           \
    "  --data DIR    the pictures\n"                                                                                           \
    "  --val-every N  every N-th image of each class's sorted list alone: those that tleg distill and tleg tune judge by\n"    \
    "  --skip-bad    report and count files that cannot be read, and score the rest; without it the first is an error\n"       \
    "  --exif        apply the EXIF orientation\n" PICTURES_HELP

struct depth_score {
    int32_t depth;
    int64_t correct;
    double ms;              /* spent in the model */
    int64_t *class_correct; /* (classes of the folder) */
};

struct scoring {
    struct dataset set;
    int64_t images, skipped;
    uint64_t data;         /* of what was scored: part_identity, and whether EXIF turned it */
    int64_t *class_images; /* (classes of the folder) */
    int32_t depth_count;
    struct depth_score depths[TLEG_MAX_DEPTH];
};

/* Scores what source_open_expanded has opened, at `count` depths; of a model at its own. Returns an exit code; scoring_free is
 * right after a failure too. */
int scoring_run(const struct invocation *call, tleg_context *context, const struct scoring_options *options,
                struct source *source, const int32_t *depths, int32_t count, struct scoring *scoring);
void scoring_free(struct scoring *scoring);

static inline double scoring_share(const struct scoring *scoring, int32_t k) {
    return (double)scoring->depths[k].correct / (double)scoring->images;
}

/* A picture that cannot be read is computed as zeros, and takes as long. */
static inline double scoring_ms(const struct scoring *scoring, int32_t k) {
    return scoring->depths[k].ms / (double)(scoring->images + scoring->skipped);
}

/* The same as the library keeps it; what was scored is called "validation" with --val-every, else as DIR's last part. */
struct scoring_table {
    tleg_scores scores;
    int32_t depths[TLEG_MAX_DEPTH];
    double shares[TLEG_MAX_DEPTH];
    char on[256];
};
void scoring_table(const struct scoring *scoring, const struct scoring_options *options, struct scoring_table *table);

#endif
