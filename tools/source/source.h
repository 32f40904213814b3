/* What a verb works on: a learngene, which runs elastically at a depth, or a model. */
#ifndef TLEG_TOOLS_SOURCE_H
#define TLEG_TOOLS_SOURCE_H

#include "base/options.h"
#include "pictures.h"
#include <tleg/generate.h>

/* What the command line asks a learngene to become; zero: as it was learned. */
struct expansion {
    int32_t depth, dtype, norm;
    struct extent image;
    int32_t filter; /* TLEG_POSITION_FILTER_*: how positions are resampled for it */
    bool timm;      /* another name of norm = TLEG_NORM_AFTER_POOL */
    int32_t first;  /* without a depth: this one, of the first step; 0: there are no steps */
    bool learned;   /* without either: the deepest at which it was learned, where its file says so */
};

/* The options that fill it, for a verb's table. */
#define EXPANSION_OPTIONS(expansion)                                                                                           \
    {"--depth", OPTION_COUNT, &(expansion).depth, 1, TLEG_MAX_DEPTH, NULL}, EXPANSION_OPTIONS_BUT_DEPTH(expansion)
#define EXPANSION_OPTIONS_BUT_DEPTH(expansion)                                                                                 \
    {"--dtype", OPTION_CHOICE, &(expansion).dtype, 0, 0, option_dtypes},                                                       \
        {"--norm", OPTION_CHOICE, &(expansion).norm, 0, 0, option_norms},                                                      \
        {"--timm", OPTION_FLAG, &(expansion).timm, 0, 0, NULL}, IMAGE_OPTIONS(expansion)
#define IMAGE_OPTIONS(expansion)                                                                                               \
    {"--image", OPTION_EXTENT, &(expansion).image, 0, 0, NULL}, {                                                              \
        "--positions-filter", OPTION_CHOICE, &(expansion).filter, 0, 0, option_position_filters                                \
    }
#define OPTIONS_END                                                                                                            \
    { NULL, OPTION_FLAG, NULL, 0, 0, NULL }

/* Their lines in a verb's help. */
#define DEPTH_HELP "  --depth N     layers, 1 to 1024; a learngene needs it\n"
#define EXPANSION_HELP DEPTH_HELP EXPANSION_HELP_BUT_DEPTH
#define EXPANSION_HELP_BUT_DEPTH DTYPE_HELP NORM_HELP IMAGE_HELP
#define DTYPE_HELP "  --dtype T     type of the weights: f32 (default), bf16, f16; of a model, if not as stored\n"
#define NORM_HELP                                                                                                              \
    "  --norm P      place of the final norm: as-learned (default), before-pool, after-pool (as in\n"                          \
    "                the published descendants, with eps 1e-6)\n"                                                              \
    "  --timm        the same as --norm after-pool\n"
#define IMAGE_HELP                                                                                                             \
    "  --image I     side of the input in pixels, or its height and width (224x128), if not as learned: the position\n"        \
    "                embedding is resampled; --positions-filter F: bicubic (default), or antialias, as timm does it today\n"

struct source {
    const char *path;
    bool fresh;           /* made here, and path is where it will go */
    tleg_learngene *gene; /* of a learngene's file, unless it was opened to run alone */
    tleg_model *model;
    tleg_expander *expander; /* of a learngene, once asked for */
    tleg_config config;      /* of what runs: its depth, dtype and image size */
    double latent_scale;     /* of a generator of latents, by which they were multiplied; 0: the file says none */
    bool features;           /* its head tells a teacher's features, not classes */
    bool knows;              /* the classes of the data that it is to learn, from before: its head stays */
};

/* The owner's key by which a file says what its head tells, where that is not classes. */
#define HEAD_TELLS "head_tells"
#define HEAD_FEATURES "features"
bool source_tells_features(const tleg_file *file, const tleg_config *config); /* what source.features says, of an open file */

/* The same for the library, but for the depth. */
tleg_expander_options expansion_options(const struct expansion *expansion);
/* Folds --timm into --norm. False after refusing a contradiction. */
bool expansion_settle(const struct invocation *call, struct expansion *expansion, int *code);

/* What the call says of how a file is opened. */
tleg_open_options source_opening(const struct invocation *call);
tleg_open_options source_reading(const struct invocation *call, const tleg_preparation_options *pictures); /* an open one */
/* Opens the tensors of a learngene or a model alone, in the set of weights that the call chooses. NULL after saying why not. */
tleg_file *source_file(const struct invocation *call, tleg_context *context, const char *path);
/* bf16 or f16 where all tensors of a file are, which a learngene in memory does not know; else f32. */
int32_t source_stored_dtype(tleg_context *context, const tleg_file *file);
/* How many bytes an open file takes on disk. */
bool source_bytes(tleg_context *context, const tleg_file *file, const char *path, uint64_t *bytes);
/* Whether an open file is a learngene's. */
bool source_is_gene(const tleg_file *file);
/* Opens a learngene or a model, whichever the file is. Returns an exit code; source_close is right after a failure too. */
int source_open(const struct invocation *call, tleg_context *context, const char *path, struct source *source);
/* The same from its open file; a model's weights become those of the expansion's type, and its position embedding that of its
 * image size. Of a learngene that is source_take_expansion's. */
int source_read(const struct invocation *call, tleg_context *context, const char *path, const tleg_file *file,
                const struct expansion *expansion, struct source *source);
int source_open_as(const struct invocation *call, tleg_context *context, const char *path, const struct expansion *expansion,
                   struct source *source);
/* Refuses (EXIT_MISUSE) a learngene without a depth, and a model of another depth or norm than asked for. For a learngene it
 * packs the expander. Sets source->config to what runs. */
int source_take_expansion(const struct invocation *call, tleg_context *context, const struct expansion *expansion,
                          struct source *source);
/* Both at once, for who only runs it: a learngene's numbers go from the file to the expander, and source->gene stays NULL. */
int source_open_expanded(const struct invocation *call, tleg_context *context, const char *path,
                         const struct expansion *expansion, struct source *source);
/* The same; *file stays open for who asks more of the very file that was read, since its path may lead to another by then.
 * tleg_file_free is right after a failure too. */
int source_open_kept(const struct invocation *call, tleg_context *context, const char *path, const struct expansion *expansion,
                     struct source *source, tleg_file **file);
/* A session over the model, or an elastic one at the depth asked for. After source_take_expansion or source_open_expanded. */
int source_session(const struct invocation *call, tleg_context *context, struct source *source, int32_t batch,
                   tleg_session **session);
/* *digest becomes that of what it was, followed by every number of the file and what its configuration says beside them. */
tleg_status source_digest(tleg_context *context, const tleg_file *file, const tleg_config *config, uint64_t *digest);
/* Whether a depth was learned; true as well where the file does not say. */
bool source_learned(const tleg_config *config, int32_t depth);
/* Says so where a learngene's file knows at which depths it was learned and this one is not among them. */
void source_note_depth(const struct invocation *call, const char *path, const tleg_config *config, int32_t depth);
void source_close(struct source *source);
/* Whether it draws: a Diffusion Transformer, which generate.h runs. */
bool source_draws(const tleg_config *config);
/* Whether that is latents, which a decoder makes pictures of: the file says so, or they have neither one nor three channels. */
bool source_draws_latents(const struct source *source);
int64_t source_features(const tleg_config *config); /* numbers that a head reads */
/* What its scores are: right answers, or the share of what it tells, 1 - its mean squared error: of a generator the noise, and
 * where they are on TLEG_SCORES_ON_FEATURES those. The second names it. */
bool source_scores_answers(const tleg_config *config, const char *on);
const char *source_score_name(const tleg_config *config, const char *on);
/* The word of tleg.kind: "vit", "learngene", "dit", "dit_learngene". */
const char *source_kind(const struct source *source);
/* Each refuses the other kind, and names both. They return an exit code. */
int source_need_classifier(const struct invocation *call, const struct source *source);
int source_need_generator(const struct invocation *call, const struct source *source);
/* A generator over the model, or an elastic one, as source_session. */
int source_generator(const struct invocation *call, tleg_context *context, struct source *source, int32_t batch,
                     tleg_generator **generator);
/* Refuses what draws, and what gives or tells features alone. Returns an exit code. */
int source_need_head(const struct invocation *call, const struct source *source);
/* Prepared images through a session, into arrays as long as it says; features may be NULL; logits, too, and are not written
 * where there is no head. */
tleg_status source_run(tleg_session *session, const float *images, int64_t batch, float *logits, float *features);

/* The class of the largest logit, the first of equals; -1 when one is not finite. */
int32_t source_guess(const float *logits, int32_t classes);

int32_t source_prefix(const tleg_config *config); /* tokens before the patches */
int64_t source_tokens(const tleg_config *config);

#endif
