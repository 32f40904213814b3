/* What checkpoints hold beside a Vision Transformer, and what its answers do not depend on. */
#include "names/private.h"

#include <string.h>

/* Each stands at the beginning of a word of the name: other towers, what learning alone needs, and what is computed again. */
static const char *const words[] = {
    "decoder",       "text",         "token_embedding",
    "token_type",    "resblocks",    "ln_final",
    "language",      "lm_head",      "positional_embedding", /* beside an image tower: the text's */
    "mask",          "pooler",       "logit_",
    "last_layer",    "dino_",        "ibot_",
    "predictor",     "projector",    "projection_head",
    "proj_head",     "momentum",     "teacher",
    "ema",           "queue",        "prototypes",
    "criterion",     "loss",         "metric",
    "train_",        "val_",         "test_",
    "discriminator", "aux",          "optim",
    "bias_mask",     "attn_mask",    "relative_position_index",
    "total_ops",     "total_params", "multi_modal",
};
/* Where no head is read, what a host puts after the features that the library gives. */
static const char *const after[] = {"head", "fc", "classif", "cls_", "proj", "mlp", "linear", "out", "visual_proj"};

static bool has_word(const char *name, const char *const *list, size_t count) {
    for (; name; name = strchr(name, '.')) {
        name += *name == '.';
        for (size_t k = 0; k < count; k++)
            if (strncmp(name, list[k], strlen(list[k])) == 0)
                return true;
    }
    return false;
}

bool tleg_names_is_other(const char *name, bool headless) {
    return has_word(name, words, sizeof words / sizeof *words) ||
           (headless && has_word(name, after, sizeof after / sizeof *after));
}
