/* What checkpoints hold beside a Vision Transformer, told by how a part's name begins. */
#include "names/names.h"

/* Other towers, what learning alone needs, and what is computed again. */
static const char apart[] =
    "text. text_model text_encoder text_proj text_dec textual token_ language multi_modal decoder_ "
    "mask_token mask_emb masked_ logit_ temperature momentum teacher ema. ema_ queue memory_bank "
    "feature_bank criterion loss running_loss log_var class_weight pos_weight cls_num_list metric acc. "
    "acc_ accuracy auroc best_ train_ val_ valid_ test_ optim bias_mask attn_mask relative_position_index "
    "total_ops total_params";
/* Of a text's tower, which has its tokens' embedding beside them. */
static const char of_text[] = "transformer positional_embedding ln_final";
/* What reads features: heads, and what takes their place while a network learns by itself. */
static const char behind[] =
    "head fc cl proj mlp linear out visual_proj logits score regress pooler predictor last_layer dino_ "
    "ibot_ decoder lm_head prototypes discriminator aux";

enum tleg_other tleg_names_other(const char *name) {
    return tleg_list_begins(apart, name)     ? TLEG_OTHER_APART
           : tleg_list_begins(of_text, name) ? TLEG_OTHER_TEXT
           : tleg_list_begins(behind, name)  ? TLEG_OTHER_BEHIND
                                             : TLEG_OTHER_UNKNOWN;
}
