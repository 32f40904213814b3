/* What checkpoints hold beside a Vision Transformer, told by the word that a part's name begins with. */
#include "names/names.h"

#include <string.h>

/* Other towers, what learning alone needs, and what is computed again. */
static const char *const apart[] = {"text.",
                                    "text_model",
                                    "text_encoder",
                                    "text_proj",
                                    "text_dec",
                                    "textual",
                                    "token_",
                                    "language",
                                    "multi_modal",
                                    "decoder_",
                                    "mask_token",
                                    "mask_emb",
                                    "masked_",
                                    "logit_",
                                    "temperature",
                                    "momentum",
                                    "teacher",
                                    "ema.",
                                    "ema_",
                                    "queue",
                                    "memory_bank",
                                    "feature_bank",
                                    "criterion",
                                    "loss",
                                    "running_loss",
                                    "log_var",
                                    "class_weight",
                                    "pos_weight",
                                    "cls_num_list",
                                    "metric",
                                    "acc.",
                                    "acc_",
                                    "accuracy",
                                    "auroc",
                                    "best_",
                                    "train_",
                                    "val_",
                                    "valid_",
                                    "test_",
                                    "optim",
                                    "bias_mask",
                                    "attn_mask",
                                    "relative_position_index",
                                    "total_ops",
                                    "total_params"};
/* Of a text's tower, which has its tokens' embedding beside them. */
static const char *const of_text[] = {"transformer", "positional_embedding", "ln_final"};
/* What reads features: heads, and what takes their place while a network learns by itself. */
static const char *const behind[] = {"head",        "fc",     "cl",      "proj",    "mlp",        "linear",        "out",
                                     "visual_proj", "logits", "score",   "regress", "pooler",     "predictor",     "last_layer",
                                     "dino_",       "ibot_",  "decoder", "lm_head", "prototypes", "discriminator", "aux"};

static bool begins(const char *name, const char *const *list, size_t count) {
    for (size_t k = 0; k < count; k++)
        if (strncmp(name, list[k], strlen(list[k])) == 0)
            return true;
    return false;
}

enum tleg_other tleg_names_other(const char *name) {
    return begins(name, apart, sizeof apart / sizeof *apart)         ? TLEG_OTHER_APART
           : begins(name, of_text, sizeof of_text / sizeof *of_text) ? TLEG_OTHER_TEXT
           : begins(name, behind, sizeof behind / sizeof *behind)    ? TLEG_OTHER_BEHIND
                                                                     : TLEG_OTHER_UNKNOWN;
}
