/* What checkpoints hold beside a Vision Transformer, told by how a part's name begins. */
#include "names/names.h"

#include <string.h>

/* Other towers, what learning alone needs, and what is computed again. */
static const char apart[] =
    "text. text_model text_encoder text_proj textual token_embedding language_model decoder_embed decoder_pos decoder_block "
    "decoder_norm decoder_pred mask_token mask_emb masked_embed momentum_ teacher. teacher_model teacher_encoder teacher_net "
    "ema. ema_ memory_bank feature_bank criterion loss. loss_fn losses running_loss optim bias_mask relative_position_index "
    "total_ops total_params";
/* Of a text's tower, which has its tokens' embedding beside them. */
static const char of_text[] = "transformer. positional_embedding ln_final logit_ attn_mask";
/* What measures and weighs losses: numbers of a run, not of a network. */
static const char of_learning[] =
    "queue log_var class_weight pos_weight cls_num_list metric acc. acc_ accuracy auroc f1 confmat best_ "
    "train_ val_ valid_ test_ ce. ce_ bce cross_entropy focal center_loss";
/* What reads features: heads, and what takes their place while a network learns by itself. Whole words. */
static const char behind[] =
    "head heads fc classifier clf cls_head mlp_head dino_head ibot_head lm_head last_layer pooler projector "
    "projection_head proj_head predictor decoder prototypes discriminator visual_projection";

enum tleg_other tleg_names_other(const char *name) {
    return tleg_list_begins(apart, name)                     ? TLEG_OTHER_APART
           : tleg_list_begins(of_text, name)                 ? TLEG_OTHER_TEXT
           : tleg_list_begins(of_learning, name)             ? TLEG_OTHER_LEARNING
           : tleg_list_has(behind, name, strcspn(name, ".")) ? TLEG_OTHER_BEHIND
                                                             : TLEG_OTHER_UNKNOWN;
}
