/* The families whose files are told by the names of their tensors; docs/checkpoints.md has the same table for people. */
#include "names/private.h"

/* The blocks of Hugging Face's models in the style of BERT: first as their files have them, then as version 5 of its library
 * names the same parts in memory. `bias` joins the biases of q, k and v. */
#define HF_BLOCK(block, query, key, value, out, bias)                                                                          \
    block query ".weight + " block key ".weight + " block value ".weight -> blocks.{}.attn.qkv.weight\n" bias block out        \
                ".* -> blocks.{}.attn.proj.*\n"
#define JOIN_BIASES(block, query, key, value)                                                                                  \
    block query ".bias + " block key ".bias + " block value ".bias -> blocks.{}.attn.qkv.bias\n"
#define ZERO_BIASES(block, query, key, value)                                                                                  \
    block query ".bias + 0 " block query ".bias + " block value ".bias -> blocks.{}.attn.qkv.bias\n"
#define HF_OLD "attention.attention.query", "attention.attention.key", "attention.attention.value"
#define HF_NEW "attention.q_proj", "attention.k_proj", "attention.v_proj"
#define HF_PROJECTIONS HF_NEW
#define EXPAND(macro, ...) macro(__VA_ARGS__)

#define HF_OUTER                                                                                                               \
    "embeddings.cls_token -> cls_token\n"                                                                                      \
    "embeddings.patch_embeddings.projection.* -> patch_embed.proj.*\n"                                                         \
    "layernorm.* -> norm.*\n"

/* A head that was put in place of another, alone in an nn.Sequential or after a dropout; of several layers two get one name,
 * which is refused. */
#define OTHER_HEAD(head)                                                                                                       \
    head ".0.* -> head.*\n" head ".1.* -> head.*\n" head ".2.* -> head.*\n" head ".3.* -> head.*\n" head ".4.* -> head.*\n"

#define VIT_BLOCK(block)                                                                                                       \
    block "layernorm_before.* -> blocks.{}.norm1.*\n" block "layernorm_after.* -> blocks.{}.norm2.*\n" block                   \
          "lambda_1 -> blocks.{}.ls1.gamma\n" block "lambda_2 -> blocks.{}.ls2.gamma\n"
#define VIT_OLD "encoder.layer.{}."
#define VIT_NEW "layers.{}."
#define VIT_RULES                                                                                                              \
    HF_OUTER                                                                                                                   \
    "embeddings.position_embeddings -> pos_embed\n"                                                                            \
    "pooler.layernorm.* -> fc_norm.*\n"                                                                                        \
    "../classifier.* -> head.*\n"                                                                                              \
    "../cls_classifier.* -> head.*\n"                                                                                          \
    "../distillation_classifier.* -> head_dist.*\n"                                                                            \
    "tleg.eps = 1e-12\n" OTHER_HEAD("../classifier") VIT_BLOCK(VIT_OLD)                                                        \
        EXPAND(HF_BLOCK, VIT_OLD, HF_OLD, "attention.output.dense", "") VIT_OLD                                                \
        "intermediate.dense.* -> blocks.{}.mlp.fc1.*\n" VIT_OLD "output.dense.* -> blocks.{}.mlp.fc2.*\n" VIT_BLOCK(VIT_NEW)   \
            EXPAND(HF_BLOCK, VIT_NEW, HF_NEW, "attention.o_proj", "") VIT_NEW                                                  \
        "mlp.*.weight -> blocks.{}.mlp.*.weight\n" VIT_NEW "mlp.*.bias -> blocks.{}.mlp.*.bias\n"
#define VIT_BIASES(biases) EXPAND(biases, VIT_OLD, HF_OLD) EXPAND(biases, VIT_NEW, HF_NEW)

/* Version 5 writes the blocks of a classifier of MSN beside the rest of its tower, not in it. */
#define MSN "../encoder.layer.{}."
#define MSN_RULES                                                                                                              \
    HF_OUTER                                                                                                                   \
    "embeddings.position_embeddings -> pos_embed\n"                                                                            \
    "../classifier.* -> head.*\n"                                                                                              \
    "tleg.eps = 1e-6\n" VIT_BLOCK(MSN)                                                                                         \
        EXPAND(HF_BLOCK, MSN, HF_OLD, "attention.output.dense", EXPAND(JOIN_BIASES, MSN, HF_OLD)) MSN                          \
        "intermediate.dense.* -> blocks.{}.mlp.fc1.*\n" MSN "output.dense.* -> blocks.{}.mlp.fc2.*\n"

#define DINOV2_RULES                                                                                                           \
    HF_OUTER VIT_OLD "norm1.* -> blocks.{}.norm1.*\n" VIT_OLD "norm2.* -> blocks.{}.norm2.*\n" VIT_OLD                         \
                     "mlp.weights_in.* -> blocks.{}.mlp.fc1.*\n" VIT_OLD "mlp.weights_out.* -> blocks.{}.mlp.fc2.*\n" VIT_OLD  \
                     "mlp.fc1.* -> blocks.{}.mlp.fc1.*\n" VIT_OLD "mlp.fc2.* -> blocks.{}.mlp.fc2.*\n" VIT_OLD                 \
                     "layer_scale1.lambda1 -> blocks.{}.ls1.gamma\n" VIT_OLD "layer_scale2.lambda1 -> blocks.{}.ls2.gamma\n"   \
                     "../classifier.* -> head.*\n" EXPAND(HF_BLOCK, VIT_OLD, HF_OLD, "attention.output.dense",                 \
                                                          EXPAND(JOIN_BIASES, VIT_OLD, HF_OLD))                                \
                         EXPAND(HF_BLOCK, VIT_OLD, HF_NEW, "attention.o_proj", EXPAND(JOIN_BIASES, VIT_OLD, HF_NEW))           \
                             OTHER_HEAD("../classifier") "tleg.eps = 1e-6\n"

/* InternViT with norms of whole queries and keys, or without them; Hugging Face's, and OpenGVLab's own. */
#define INTERN_RULES                                                                                                           \
    HF_OUTER                                                                                                                   \
    "embeddings.position_embeddings -> pos_embed\n" VIT_BLOCK(VIT_OLD)                                                         \
        EXPAND(HF_BLOCK, VIT_OLD, HF_PROJECTIONS, "attention.projection_layer", EXPAND(JOIN_BIASES, VIT_OLD, HF_PROJECTIONS))  \
            VIT_OLD "attention.q_norm.* -> blocks.{}.attn.q_norm.*\n" VIT_OLD                                                  \
                    "attention.k_norm.* -> blocks.{}.attn.k_norm.*\n" VIT_OLD "mlp.fc1.* -> blocks.{}.mlp.fc1.*\n" VIT_OLD     \
                    "mlp.fc2.* -> blocks.{}.mlp.fc2.*\n"                                                                       \
                    "tleg.eps = 1e-6\n"
#define OPENGV "encoder.layers.{}."
#define OPENGV_RULES                                                                                                           \
    "embeddings.class_embedding -> cls_token\n"                                                                                \
    "embeddings.patch_embedding.* -> patch_embed.proj.*\n"                                                                     \
    "embeddings.position_embedding -> pos_embed\n"                                                                             \
    "tleg.eps = 1e-6\n" OPENGV "ls1 -> blocks.{}.ls1.gamma\n" OPENGV "ls2 -> blocks.{}.ls2.gamma\n" OPENGV                     \
    "norm1.* -> blocks.{}.norm1.*\n" OPENGV "norm2.* -> blocks.{}.norm2.*\n" OPENGV                                            \
    "attn.qkv.* -> blocks.{}.attn.qkv.*\n" OPENGV "attn.q_norm.* -> blocks.{}.attn.q_norm.*\n" OPENGV                          \
    "attn.k_norm.* -> blocks.{}.attn.k_norm.*\n" OPENGV "attn.proj.* -> blocks.{}.attn.proj.*\n" OPENGV                        \
    "mlp.fc1.* -> blocks.{}.mlp.fc1.*\n" OPENGV "mlp.fc2.* -> blocks.{}.mlp.fc2.*\n"

/* The blocks of Hugging Face's CLIP and SigLIP. */
#define TOWER "encoder.layers.{}."
#define TOWER_QKV "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"
#define TOWER_CONVOLUTION "embeddings.patch_embedding.* -> patch_embed.proj.*\n"
#define TOWER_RULES                                                                                                            \
    "embeddings.position_embedding.weight -> pos_embed\n"                                                                      \
    "post_layernorm.* -> norm.*\n" TOWER "layer_norm1.* -> blocks.{}.norm1.*\n" TOWER                                          \
    "layer_norm2.* -> blocks.{}.norm2.*\n" TOWER "mlp.fc1.* -> blocks.{}.mlp.fc1.*\n" TOWER                                    \
    "mlp.fc2.* -> blocks.{}.mlp.fc2.*\n" EXPAND(HF_BLOCK, TOWER, TOWER_QKV, "self_attn.out_proj",                              \
                                                EXPAND(JOIN_BIASES, TOWER, TOWER_QKV))

/* SigLIP and SigLIP 2 of one size; and for pictures of any shape, whose patches lie flat with their channels last. */
#define TOWER_FLAT                                                                                                             \
    "embeddings.patch_embedding.weight^P -> patch_embed.proj.weight\n"                                                         \
    "embeddings.patch_embedding.bias -> patch_embed.proj.bias\n"
#define SIGLIP_KEYS                                                                                                            \
    "tleg.eps = 1e-6\n"                                                                                                        \
    "tleg.activation = gelu_tanh\n" SIGLIP_PICTURES
#define SIGLIP_POOL                                                                                                            \
    "head.probe -> attn_pool.latent\n"                                                                                         \
    "head.layernorm.* -> attn_pool.norm.*\n"                                                                                   \
    "head.attention.in_proj_weight[:1/3] -> attn_pool.q.weight\n"                                                              \
    "head.attention.in_proj_bias[:1/3] -> attn_pool.q.bias\n"                                                                  \
    "head.attention.in_proj_weight[1/3:] -> attn_pool.kv.weight\n"                                                             \
    "head.attention.in_proj_bias[1/3:] -> attn_pool.kv.bias\n"                                                                 \
    "head.attention.out_proj.* -> attn_pool.proj.*\n"                                                                          \
    "head.mlp.fc1.* -> attn_pool.mlp.fc1.*\n"                                                                                  \
    "head.mlp.fc2.* -> attn_pool.mlp.fc2.*\n"
#define SIGLIP_HEAD                                                                                                            \
    "../classifier.* -> head.*\n"                                                                                              \
    "head -> nothing\n" OTHER_HEAD("../classifier")

#define OPENCLIP "transformer.resblocks.{}."
#define OPENCLIP_NORM "ln_post.* -> norm.*\n"
#define OPENCLIP_RULES                                                                                                         \
    "class_embedding -> cls_token\n"                                                                                           \
    "positional_embedding -> pos_embed\n"                                                                                      \
    "conv1.* -> patch_embed.proj.*\n"                                                                                          \
    "ln_pre.* -> norm_pre.*\n"                                                                                                 \
    "proj^T -> head.weight\n"                                                                                                  \
    "tleg.eps = 1e-5\n" OPENCLIP "ln_1.* -> blocks.{}.norm1.*\n" OPENCLIP "ln_2.* -> blocks.{}.norm2.*\n" OPENCLIP             \
    "attn.in_proj_weight -> blocks.{}.attn.qkv.weight\n" OPENCLIP "attn.in_proj_bias -> blocks.{}.attn.qkv.bias\n" OPENCLIP    \
    "attn.out_proj.* -> blocks.{}.attn.proj.*\n" OPENCLIP "mlp.c_fc.* -> blocks.{}.mlp.fc1.*\n" OPENCLIP                       \
    "mlp.c_proj.* -> blocks.{}.mlp.fc2.*\n" OPENCLIP "ls_1.gamma -> blocks.{}.ls1.gamma\n" OPENCLIP                            \
    "ls_2.gamma -> blocks.{}.ls2.gamma\n"

/* DINOv3's positions. Its files do not say how large the pictures were: 224 pixels if nothing else does. */
#define DINOV3_POSITIONS                                                                                                       \
    "tleg.rotary = centred\n"                                                                                                  \
    "tleg.rotary_base = 100\n"                                                                                                 \
    "tleg.rotary_pairs = halves\n"                                                                                             \
    "tleg.eps = 1e-5\n"
#define DINOV3_BLOCK(block)                                                                                                    \
    block "norm1.* -> blocks.{}.norm1.*\n" block "norm2.* -> blocks.{}.norm2.*\n" block                                        \
          "layer_scale1.lambda1 -> blocks.{}.ls1.gamma\n" block "layer_scale2.lambda1 -> blocks.{}.ls2.gamma\n" block          \
          "mlp.down_proj.* -> blocks.{}.mlp.fc2.*\n" EXPAND(HF_BLOCK, block, HF_PROJECTIONS, "attention.o_proj",               \
                                                            EXPAND(ZERO_BIASES, block, HF_PROJECTIONS))
#define DINOV3_RULES                                                                                                           \
    "embeddings.cls_token -> cls_token\n"                                                                                      \
    "embeddings.register_tokens -> reg_token\n"                                                                                \
    "embeddings.patch_embeddings.* -> patch_embed.proj.*\n"                                                                    \
    "norm.* -> norm.*\n"                                                                                                       \
    "tleg.image_size = 224\n" DINOV3_POSITIONS DINOV3_BLOCK("layer.{}.") DINOV3_BLOCK("model.layer.{}.")
#define GATED(block) block "mlp.gate_proj.* + " block "mlp.up_proj.* -> blocks.{}.mlp.fc1.*\n"
#define PLAIN(block) block "mlp.up_proj.* -> blocks.{}.mlp.fc1.*\n"

#define TORCHVISION "encoder.layers.encoder_layer_{}."
#define TORCHVISION_RULES                                                                                                      \
    "class_token -> cls_token\n"                                                                                               \
    "encoder.pos_embedding -> pos_embed\n"                                                                                     \
    "conv_proj.* -> patch_embed.proj.*\n"                                                                                      \
    "encoder.ln.* -> norm.*\n"                                                                                                 \
    "heads.pre_logits.* -> pre_logits.*\n"                                                                                     \
    "heads.head.* -> head.*\n"                                                                                                 \
    "heads.* -> head.*\n"                                                                                                      \
    "tleg.eps = 1e-6\n" OTHER_HEAD("heads") OTHER_HEAD("heads.head") TORCHVISION                                               \
        "ln_1.* -> blocks.{}.norm1.*\n" TORCHVISION "ln_2.* -> blocks.{}.norm2.*\n" TORCHVISION                                \
        "self_attention.in_proj_weight -> blocks.{}.attn.qkv.weight\n" TORCHVISION                                             \
        "self_attention.in_proj_bias -> blocks.{}.attn.qkv.bias\n" TORCHVISION                                                 \
        "self_attention.out_proj.* -> blocks.{}.attn.proj.*\n" TORCHVISION "mlp.0.* -> blocks.{}.mlp.fc1.*\n" TORCHVISION      \
        "mlp.3.* -> blocks.{}.mlp.fc2.*\n" TORCHVISION "mlp.linear_1.* -> blocks.{}.mlp.fc1.*\n" TORCHVISION                   \
        "mlp.linear_2.* -> blocks.{}.mlp.fc2.*\n"

/* vit-pytorch before it put a norm on the pixels of a patch; its attention without and with the wrapper of early versions. */
#define LUCID "transformer.layers.{}."
#define LUCID_COMMON                                                                                                           \
    "cls_token -> cls_token\n"                                                                                                 \
    "pos_embedding -> pos_embed\n"                                                                                             \
    "mlp_head.0.* -> norm.*\n"                                                                                                 \
    "mlp_head.1.* -> head.*\n"                                                                                                 \
    "tleg.eps = 1e-5\n" LUCID "0.norm.* -> blocks.{}.norm1.*\n" LUCID "0.fn.to_qkv.* -> blocks.{}.attn.qkv.*\n" LUCID          \
    "0.fn.to_out.0.* -> blocks.{}.attn.proj.*\n" LUCID "1.norm.* -> blocks.{}.norm2.*\n" LUCID                                 \
    "1.fn.net.0.* -> blocks.{}.mlp.fc1.*\n" LUCID "1.fn.net.3.* -> blocks.{}.mlp.fc2.*\n"
#define LUCID_RULES                                                                                                            \
    LUCID_COMMON                                                                                                               \
    "to_patch_embedding.1.weight^P -> patch_embed.proj.weight\n"                                                               \
    "to_patch_embedding.1.bias -> patch_embed.proj.bias\n"

/* vit-pytorch since then: two norms around the patch embedding, the first of which is folded, and a final norm in the head or
 * after the blocks. */
#define LUCID_NORMED_RULES                                                                                                     \
    LUCID_COMMON                                                                                                               \
    "to_patch_embedding.3.* -> patch_embed.norm.*\n"                                                                           \
    "transformer.norm.* -> norm.*\n"                                                                                           \
    "mlp_head.* -> head.*\n"                                                                                                   \
    "tleg.pixel_norm = yes\n" LUCID "0.to_qkv.weight -> blocks.{}.attn.qkv.weight\n" LUCID                                     \
    "0.to_out.0.* -> blocks.{}.attn.proj.*\n" LUCID "1.net.0.* -> blocks.{}.norm2.*\n" LUCID                                   \
    "1.net.1.* -> blocks.{}.mlp.fc1.*\n" LUCID "1.net.4.* -> blocks.{}.mlp.fc2.*\n"

/* SimpleViT computes its positions, which files do not hold. */
#define SIMPLE_RULES                                                                                                           \
    LUCID_NORMED_RULES                                                                                                         \
    "linear_head.* -> head.*\n"                                                                                                \
    "tleg.positions = sincos\n"                                                                                                \
    "tleg.image_size = 224\n" LUCID "0.to_out.weight -> blocks.{}.attn.proj.weight\n" LUCID                                    \
    "1.net.3.* -> blocks.{}.mlp.fc2.*\n"

/* The gate and what it multiplies are one matrix, the gate first. */
#define SWIGLU_RULES "blocks.{}.mlp.w12.* -> blocks.{}.mlp.fc1.*\nblocks.{}.mlp.w3.* -> blocks.{}.mlp.fc2.*\n"
#define SPLIT_SWIGLU "blocks.{}.mlp.fc1_g.* + blocks.{}.mlp.fc1_x.* -> blocks.{}.mlp.fc1.*\n"
#define EVA02_POSITIONS                                                                                                        \
    "tleg.rotary = index\n"                                                                                                    \
    "tleg.rotary_grid = 16\n"
#define ENCODER_POSITIONS                                                                                                      \
    "tleg.rotary = index\n"                                                                                                    \
    "tleg.rotary_order = xy\n"                                                                                                 \
    "tleg.rotary_grid = own\n"                                                                                                 \
    "tleg.eps = 1e-5\n"
#define ENCODER_RULES                                                                                                          \
    ENCODER_POSITIONS "tleg.pool_heads = 8\n"                                                                                  \
                      "tleg.pool = attention\n"
#define ENCODER_ASSUMED HEADS ", rotary positions counted in the grid of its own pictures"
#define AIMV2_RULES                                                                                                            \
    "tleg.eps = 1e-5\n"                                                                                                        \
    "tleg.branch_norm = before\n"
/* Microsoft's BEiT and EVA: k has no bias. */
#define BEIT_RULES                                                                                                             \
    "blocks.{}.attn.q_bias + 0 blocks.{}.attn.q_bias + blocks.{}.attn.v_bias -> blocks.{}.attn.qkv.bias\n"                     \
    "blocks.{}.gamma_1 -> blocks.{}.ls1.gamma\n"                                                                               \
    "blocks.{}.gamma_2 -> blocks.{}.ls2.gamma\n"                                                                               \
    "tleg.eps = 1e-6\n"

/* Well-known models written from scratch, whose files say how many heads there are nowhere. */
#define UVA "transformer.{}."
#define UVA_RULES                                                                                                              \
    "cls_token -> cls_token\n"                                                                                                 \
    "pos_embedding -> pos_embed\n"                                                                                             \
    "input_layer.* -> patch_embed.proj.*\n"                                                                                    \
    "mlp_head.0.* -> norm.*\n"                                                                                                 \
    "mlp_head.1.* -> head.*\n"                                                                                                 \
    "tleg.heads = ?\n"                                                                                                         \
    "tleg.eps = 1e-5\n" UVA "layer_norm_1.* -> blocks.{}.norm1.*\n" UVA "layer_norm_2.* -> blocks.{}.norm2.*\n" UVA            \
    "attn.in_proj_weight -> blocks.{}.attn.qkv.weight\n" UVA "attn.in_proj_bias -> blocks.{}.attn.qkv.bias\n" UVA              \
    "attn.out_proj.* -> blocks.{}.attn.proj.*\n" UVA "linear.0.* -> blocks.{}.mlp.fc1.*\n" UVA                                 \
    "linear.3.* -> blocks.{}.mlp.fc2.*\n"
#define BOURKE "transformer_encoder.{}."
#define BOURKE_RULES                                                                                                           \
    "class_embedding -> cls_token\n"                                                                                           \
    "position_embedding -> pos_embed\n"                                                                                        \
    "patch_embedding.patcher.* -> patch_embed.proj.*\n"                                                                        \
    "classifier.0.* -> norm.*\n"                                                                                               \
    "classifier.1.* -> head.*\n"                                                                                               \
    "tleg.heads = ?\n"                                                                                                         \
    "tleg.eps = 1e-5\n" BOURKE "msa_block.layer_norm.* -> blocks.{}.norm1.*\n" BOURKE                                          \
    "mlp_block.layer_norm.* -> blocks.{}.norm2.*\n" BOURKE                                                                     \
    "msa_block.multihead_attn.in_proj_weight -> blocks.{}.attn.qkv.weight\n" BOURKE                                            \
    "msa_block.multihead_attn.in_proj_bias -> blocks.{}.attn.qkv.bias\n" BOURKE                                                \
    "msa_block.multihead_attn.out_proj.* -> blocks.{}.attn.proj.*\n" BOURKE                                                    \
    "mlp_block.mlp.0.* -> blocks.{}.mlp.fc1.*\n" BOURKE "mlp_block.mlp.3.* -> blocks.{}.mlp.fc2.*\n"
#define TINTN "encoder.blocks.{}."
#define TINTN_RULES                                                                                                            \
    "embedding.cls_token -> cls_token\n"                                                                                       \
    "embedding.position_embeddings -> pos_embed\n"                                                                             \
    "embedding.patch_embeddings.projection.* -> patch_embed.proj.*\n"                                                          \
    "classifier.* -> head.*\n"                                                                                                 \
    "tleg.heads = ?\n"                                                                                                         \
    "tleg.activation = gelu_tanh\n"                                                                                            \
    "tleg.eps = 1e-5\n" TINTN "layernorm_1.* -> blocks.{}.norm1.*\n" TINTN "layernorm_2.* -> blocks.{}.norm2.*\n" TINTN        \
    "attention.qkv_projection.* -> blocks.{}.attn.qkv.*\n" TINTN                                                               \
    "attention.output_projection.* -> blocks.{}.attn.proj.*\n" TINTN "mlp.dense_1.* -> blocks.{}.mlp.fc1.*\n" TINTN            \
    "mlp.dense_2.* -> blocks.{}.mlp.fc2.*\n"

#define CHH_OUTER                                                                                                              \
    "embedding.cls_token -> cls_token\n"                                                                                       \
    "embedding.pos_embedding -> pos_embed\n"                                                                                   \
    "embedding.conv1.* -> patch_embed.proj.*\n"                                                                                \
    "classifier.fc1.* -> pre_logits.*\n"                                                                                       \
    "classifier.fc2.* -> head.*\n"                                                                                             \
    "tleg.heads = ?\n"                                                                                                         \
    "tleg.eps = 1e-5\n"
#define CHH "encoder.{}."
#define CHH_QKV "attention.queries", "attention.keys", "attention.values"
#define CHH_RULES                                                                                                              \
    CHH_OUTER "norm.* -> norm.*\n" CHH "norm1.* -> blocks.{}.norm1.*\n" CHH "norm2.* -> blocks.{}.norm2.*\n" EXPAND(           \
        HF_BLOCK, CHH, CHH_QKV, "attention.out_projection", EXPAND(JOIN_BIASES, CHH, CHH_QKV)) CHH                             \
        "fc1.* -> blocks.{}.mlp.fc1.*\n" CHH "fc2.* -> blocks.{}.mlp.fc2.*\n"
#define CHH_LAYER "encoder.layers.{}."
#define CHH_LAYER_RULES                                                                                                        \
    CHH_OUTER "encoder.norm.* -> norm.*\n" CHH_LAYER "norm1.* -> blocks.{}.norm1.*\n" CHH_LAYER                                \
              "norm2.* -> blocks.{}.norm2.*\n" CHH_LAYER "self_attn.in_proj_weight -> blocks.{}.attn.qkv.weight\n" CHH_LAYER   \
              "self_attn.in_proj_bias -> blocks.{}.attn.qkv.bias\n" CHH_LAYER                                                  \
              "self_attn.out_proj.* -> blocks.{}.attn.proj.*\n" CHH_LAYER "linear1.* -> blocks.{}.mlp.fc1.*\n" CHH_LAYER       \
              "linear2.* -> blocks.{}.mlp.fc2.*\n"

/* Two that have Google's weights, and their heads. */
#define JEONS "transformer.encoder.layer.{}."
#define JEONS_QKV "attn.query", "attn.key", "attn.value"
#define JEONS_RULES                                                                                                            \
    "transformer.embeddings.cls_token -> cls_token\n"                                                                          \
    "transformer.embeddings.position_embeddings -> pos_embed\n"                                                                \
    "transformer.embeddings.patch_embeddings.* -> patch_embed.proj.*\n"                                                        \
    "transformer.encoder.encoder_norm.* -> norm.*\n"                                                                           \
    "head.* -> head.*\n"                                                                                                       \
    "tleg.eps = 1e-6\n" JEONS "attention_norm.* -> blocks.{}.norm1.*\n" JEONS                                                  \
    "ffn_norm.* -> blocks.{}.norm2.*\n" EXPAND(HF_BLOCK, JEONS, JEONS_QKV, "attn.out", EXPAND(JOIN_BIASES, JEONS, JEONS_QKV))  \
        JEONS "ffn.fc1.* -> blocks.{}.mlp.fc1.*\n" JEONS "ffn.fc2.* -> blocks.{}.mlp.fc2.*\n"
#define MELAS "transformer.blocks.{}."
#define MELAS_QKV "attn.proj_q", "attn.proj_k", "attn.proj_v"
#define MELAS_RULES                                                                                                            \
    "class_token -> cls_token\n"                                                                                               \
    "positional_embedding.pos_embedding -> pos_embed\n"                                                                        \
    "patch_embedding.* -> patch_embed.proj.*\n"                                                                                \
    "norm.* -> norm.*\n"                                                                                                       \
    "fc.* -> head.*\n"                                                                                                         \
    "tleg.eps = 1e-6\n" MELAS "norm1.* -> blocks.{}.norm1.*\n" MELAS                                                           \
    "norm2.* -> blocks.{}.norm2.*\n" EXPAND(HF_BLOCK, MELAS, MELAS_QKV, "proj", EXPAND(JOIN_BIASES, MELAS, MELAS_QKV)) MELAS   \
        "pwff.fc1.* -> blocks.{}.mlp.fc1.*\n" MELAS "pwff.fc2.* -> blocks.{}.mlp.fc2.*\n"

/* What timm's NaFlexVit has under other names than its other models. */
#define EMBEDS_RULES                                                                                                           \
    "embeds.proj.weight^P -> patch_embed.proj.weight\n"                                                                        \
    "embeds.proj.bias -> patch_embed.proj.bias\n"                                                                              \
    "embeds.reg_token -> reg_token\n"                                                                                          \
    "embeds.pos_embed -> pos_embed\n"                                                                                          \
    "tleg.eps = 1e-6\n"                                                                                                        \
    "tleg.mean = 0.5,0.5,0.5\n"                                                                                                \
    "tleg.std = 0.5,0.5,0.5\n"                                                                                                 \
    "tleg.crop = 1\n"

#define HF_PATCH "embeddings.patch_embeddings.projection.weight"
#define HF_VIT_BLOCK "encoder.layer.{}.layernorm_before.weight|layers.{}.layernorm_before.weight"
#define HF_TOWER_PATCH "embeddings.patch_embedding.weight"
#define LUCID_PATCH "to_patch_embedding.1.weight"
#define NOT_COMPUTED ", which this library does not compute"
#define HEADS "heads of 64 numbers each (16 heads where known models of its width have them)"
/* CLIP's pictures are prepared in one way, whoever learned it. */
#define CLIP_PICTURES                                                                                                          \
    "tleg.mean = 0.48145466,0.4578275,0.40821073\n"                                                                            \
    "tleg.std = 0.26862954,0.26130258,0.27577711\n"                                                                            \
    "tleg.crop = 1\n"
#define SIGLIP_PICTURES                                                                                                        \
    "tleg.mean = 0.5,0.5,0.5\n"                                                                                                \
    "tleg.std = 0.5,0.5,0.5\n"                                                                                                 \
    "tleg.crop = 1\n"                                                                                                          \
    "tleg.fit = squash\n"
#define SIGLIP_ASSUMED HEADS ", a mean and standard deviation of 0.5, both sides resized"
#define NAFLEX "a Hugging Face SigLIP 2 for pictures of any shape (NaFlex), here of one: square ones are prepared as its own"
/* Of patches that a matrix embeds, whose size follows. */
#define CHANNELS "square patches of 3 channels, or else of 1"
#define COLOURS "ImageNet's mean and standard deviation of pictures"

const char tleg_family_projection[] = "../head.proj.* -> head.*\n"
                                      "tleg.head_bias = no\n";

static const struct tleg_family families[] = {
    /* ---- refused by the part that they add ---- */
    {.name = "a Hugging Face BEiT",
     .sign = HF_PATCH,
     .with = {"encoder.layer.{}.attention.attention.relative_position_bias.relative_position_bias_table|"
              "layers.{}.relative_position_bias.relative_position_bias_table|"
              "encoder.relative_position_bias.relative_position_bias_table|"
              "shared_position_bias.relative_position_bias_table"},
     .refused = "it has relative positions" NOT_COMPUTED},
    {.name = "a Hugging Face ViLT",
     .sign = HF_PATCH,
     .with = {"embeddings.text_embeddings.word_embeddings.weight"},
     .refused = "it reads a text with its picture" NOT_COMPUTED},
    {.name = "a Hugging Face YOLOS",
     .sign = HF_PATCH,
     .with = {"embeddings.detection_tokens"},
     .refused = "it has detection tokens" NOT_COMPUTED},
    {.name = "a Hugging Face AIMv2",
     .sign = "embeddings.patch_embed.weight",
     .with = {"embeddings.rms_norm.weight", "head.cls_token"},
     .refused = "its head attends with a class token" NOT_COMPUTED ": a model without it (use_head = false) is read"},
    {.name = "a Hugging Face CLIP",
     .sign = HF_TOWER_PATCH,
     .with = {"pre_layrnorm.weight", "../classifier.weight"},
     .refused = "its classifier reads the mean of patches without a norm" NOT_COMPUTED
                "; one of your own that reads pooler_output: \"classifier.* -> head.*\" in rules for names"},
    {.name = "an OpenCLIP image tower",
     .sign = "conv1.weight",
     .with = {"class_embedding", "attn_pool.query|attn_pool.probe"},
     .refused = "it has attention pooling (attn_pool)" NOT_COMPUTED},
    {.name = "a timm tower of OpenCLIP",
     .sign = "patch_embed.proj.weight",
     .with = {"../trunk.patch_embed.proj.weight", "../head.mlp.fc1.weight"},
     .refused = "its projection is an MLP" NOT_COMPUTED ": \"visual.head -> nothing\" (--names) leaves features"},
    {.name = "a torchvision VisionTransformer",
     .sign = "conv_proj.0.0.weight",
     .refused = "it begins with several convolutions" NOT_COMPUTED},
    {.name = "timm's NaFlexVit",
     .sign = "embeds.proj.weight",
     .with = {"embeds.cls_token"},
     .refused = "it has a class token" NOT_COMPUTED " in one"},
    {.name = "timm's NaFlexVit",
     .sign = "embeds.proj.weight",
     .with = {"embeds.pos_embed_y"},
     .refused = "it adds positions of rows and of columns" NOT_COMPUTED},
    {.name = "a SimpleViT of vit-pytorch",
     .sign = LUCID_PATCH,
     .with = {"linear_head.1.weight"},
     .refused = "it is one of the first, whose positions are computed and not stored" NOT_COMPUTED},
    {.name = "a ViT in the layout of Google's .npz files",
     .sign = "Transformer/encoderblock_0/LayerNorm_0/scale",
     .refused = "JAX's layout is not read: timm loads it (create_model with checkpoint_path), and saves one that is"},
    {.name = "adapters of AdaptFormer",
     .sign = "blocks.0.adaptmlp.down_proj.weight",
     .refused = "adapters are not computed by this library"},
    {.name = "a Swin Transformer",
     .sign = "layers.0.blocks.0.attn.relative_position_bias_table",
     .refused = "it attends within windows" NOT_COMPUTED},
    {.name = "a Swin Transformer",
     .sign = "features.1.0.attn.relative_position_bias_table",
     .refused = "it attends within windows" NOT_COMPUTED},
    {.name = "a ViT for small data of vit-pytorch",
     .sign = "to_patch_embedding.to_patch_tokens.2.weight",
     .refused = "its patches are of shifted pictures, and no token attends to itself" NOT_COMPUTED},
    {.name = "omihub777's ViT-CIFAR",
     .sign = "emb.weight",
     .with = {"enc.{}.la1.weight", "enc.{}.msa.q.weight"},
     .refused = "its MLP ends with an activation" NOT_COMPUTED},
    {.name = "BrianPulfer's ViT",
     .sign = "linear_mapper.weight",
     .with = {"blocks.{}.mhsa.q_mappings.0.weight"},
     .refused = "its positions are computed and not stored, its heads see a part of a token each, and there is no matrix after "
                "them" NOT_COMPUTED},
    {.name = "FrancescoSaverioZuppichini's ViT",
     .sign = "0.cls_token",
     .with = {"1.{}.0.fn.1.projection.weight", "2.1.weight"},
     .refused = "it divides what a softmax gave, and the mean that its head reads has the class token in it" NOT_COMPUTED},
    {.name = "jeonsworld's ViT-pytorch",
     .sign = "transformer.embeddings.hybrid_model.root.conv.weight",
     .refused = "it begins with a ResNet" NOT_COMPUTED},
    {.name = "TransFG",
     .sign = "transformer.encoder.part_norm.weight",
     .refused = "its last layer reads tokens that it selects" NOT_COMPUTED},
    /* ---- read ---- */
    {.name = "a Hugging Face InternVL image tower",
     .sign = HF_PATCH,
     .with = {"encoder.layer.{}.attention.projection_layer.weight"},
     .rules = {INTERN_RULES},
     .assumed = HEADS ", exact GELU, eps 1e-6, " COLOURS},
    {.name = "an InternViT",
     .sign = HF_TOWER_PATCH,
     .with = {"encoder.layers.{}.attn.qkv.weight", "encoder.layers.{}.ls1"},
     .rules = {OPENGV_RULES},
     .assumed = HEADS ", exact GELU, eps 1e-6, " COLOURS},
    {.name = "a Hugging Face BEiT",
     .sign = HF_PATCH,
     .with = {HF_VIT_BLOCK, "encoder.layer.{}.attention.attention.query.bias|layers.{}.attention.q_proj.bias"},
     .lacks = "encoder.layer.{}.attention.attention.key.bias|layers.{}.attention.k_proj.bias",
     .rules = {VIT_RULES, VIT_BIASES(ZERO_BIASES)},
     .assumed = HEADS ", exact GELU, " COLOURS},
    {.name = "a Hugging Face distilled DeiT",
     .sign = HF_PATCH,
     .with = {HF_VIT_BLOCK, "../distillation_classifier.weight"},
     .rules = {VIT_RULES, VIT_BIASES(JOIN_BIASES), "embeddings.distillation_token -> dist_token\n"},
     .assumed = HEADS ", exact GELU, eps 1e-12, " COLOURS},
    {.name = "a Hugging Face DeiT", /* whose head reads the class token alone: the other token is a register */
     .sign = HF_PATCH,
     .with = {HF_VIT_BLOCK, "embeddings.distillation_token"},
     .rules = {VIT_RULES, VIT_BIASES(JOIN_BIASES), "embeddings.distillation_token -> reg_token\n"},
     .assumed = HEADS ", exact GELU, eps 1e-12, " COLOURS},
    {.name = "a Hugging Face MSN",
     .sign = HF_PATCH,
     .with = {"../encoder.layer.{}.layernorm_before.weight"},
     .lacks = HF_VIT_BLOCK,
     .rules = {MSN_RULES},
     .assumed = HEADS ", exact GELU, eps 1e-6, " COLOURS},
    {.name = "a Hugging Face ViT",
     .sign = HF_PATCH,
     .with = {HF_VIT_BLOCK},
     .rules = {VIT_RULES, VIT_BIASES(JOIN_BIASES)},
     .assumed = HEADS ", exact GELU, eps 1e-12, " COLOURS},
    {.name = "a Hugging Face DINOv2 with registers",
     .sign = HF_PATCH,
     .with = {"encoder.layer.{}.norm1.weight", "embeddings.register_tokens"},
     .rules = {DINOV2_RULES, "embeddings.register_tokens -> reg_token\n"
                             "embeddings.position_embeddings[:1] + 0 embeddings.register_tokens + "
                             "embeddings.position_embeddings[1:] -> pos_embed\n"},
     .assumed = HEADS},
    {.name = "a Hugging Face DINOv2",
     .sign = HF_PATCH,
     .with = {"encoder.layer.{}.norm1.weight"},
     .rules = {DINOV2_RULES, "embeddings.position_embeddings -> pos_embed\n"},
     .assumed = HEADS},
    {.name = "a Hugging Face DINOv3",
     .sign = "embeddings.patch_embeddings.weight",
     .with = {"model.layer.{}.mlp.gate_proj.weight|layer.{}.mlp.gate_proj.weight"},
     .rules = {DINOV3_RULES, GATED("layer.{}.") GATED("model.layer.{}.")},
     .assumed = HEADS ", pictures of 224 pixels"},
    {.name = "a Hugging Face DINOv3",
     .sign = "embeddings.patch_embeddings.weight",
     .with = {"model.layer.{}.attention.q_proj.weight|layer.{}.attention.q_proj.weight"},
     .rules = {DINOV3_RULES, PLAIN("layer.{}.") PLAIN("model.layer.{}.")},
     .assumed = HEADS ", pictures of 224 pixels"},
    {.name = "a Hugging Face AIMv2",
     .sign = "embeddings.patch_embed.weight",
     .with = {"embeddings.rms_norm.weight"},
     .rules = {"embeddings.patch_embed.* -> patch_embed.proj.*\n"
               "embeddings.rms_norm.weight -> patch_embed.norm.weight\n"
               "embeddings.position_embedding.weight -> pos_embed\n"
               "rms_norm.weight -> norm.weight\n"
               "encoder.layers.{}.rms_norm1.weight -> blocks.{}.norm1.weight\n"
               "encoder.layers.{}.rms_norm2.weight -> blocks.{}.norm2.weight\n"
               "encoder.layers.{}.ffn.gate_proj.* + encoder.layers.{}.ffn.up_proj.* -> blocks.{}.mlp.fc1.*\n"
               "encoder.layers.{}.ffn.down_proj.* -> blocks.{}.mlp.fc2.*\n" EXPAND(
                   HF_BLOCK, "encoder.layers.{}.", HF_PROJECTIONS, "attention.out_proj",
                   EXPAND(JOIN_BIASES, "encoder.layers.{}.", HF_PROJECTIONS)) AIMV2_RULES},
     .assumed = "heads of 128 numbers each, the mean of the patches is read"},
    {.name = "timm's AIMv2",
     .sign = "patch_embed.norm.weight",
     .with = {"patch_embed.proj.weight", "blocks.{}.mlp.fc1_g.weight"},
     .lacks = "patch_embed.norm.bias",
     .rules = {SPLIT_SWIGLU AIMV2_RULES},
     .rest = true,
     .assumed = "heads of 128 numbers each, the mean of the patches is read"},
    {.name = "timm's Perception Encoder without a final norm",
     .sign = "cls_token",
     .with = {"norm_pre.weight"},
     .lacks = "norm.weight|fc_norm.weight",
     .rules = {BEIT_RULES, ENCODER_POSITIONS "tleg.rotary_offset = 1\n"
                                             "tleg.norm = none\n"
                                             "tleg.pool = mean\n"},
     .rest = true,
     .assumed = ENCODER_ASSUMED ", the mean of the patches is read"},
    {.name = "timm's Perception Encoder without a final norm",
     .sign = "patch_embed.proj.weight",
     .with = {"norm_pre.weight"},
     .lacks = "norm.weight|fc_norm.weight",
     .rules = {BEIT_RULES, ENCODER_POSITIONS "tleg.norm = none\n"},
     .rest = true,
     .assumed = ENCODER_ASSUMED},
    {.name = "a Hugging Face CLIP image tower",
     .sign = HF_TOWER_PATCH,
     .with = {"pre_layrnorm.weight"},
     .rules = {TOWER_RULES, TOWER_CONVOLUTION "embeddings.class_embedding -> cls_token\n"
                                              "pre_layrnorm.* -> norm_pre.*\n"
                                              "../visual_projection.weight -> head.weight\n"
                                              "tleg.eps = 1e-5\n"
                                              "tleg.activation = quick_gelu\n" CLIP_PICTURES},
     .assumed = HEADS ", quick GELU, OpenAI's mean and standard deviation of pictures"},
    {.name = NAFLEX,
     .sign = HF_TOWER_PATCH,
     .with = {"head.probe"},
     .lacks = "../classifier.weight",
     .flat = true,
     .rules = {TOWER_RULES, TOWER_FLAT SIGLIP_KEYS, SIGLIP_POOL},
     .assumed = SIGLIP_ASSUMED ", " CHANNELS},
    {.name = NAFLEX,
     .sign = HF_TOWER_PATCH,
     .with = {"encoder.layers.{}.self_attn.q_proj.weight", "post_layernorm.weight"},
     .flat = true,
     .rules = {TOWER_RULES, TOWER_FLAT SIGLIP_KEYS, SIGLIP_HEAD},
     .assumed = SIGLIP_ASSUMED ", " CHANNELS},
    {.name = "a Hugging Face SigLIP",
     .sign = HF_TOWER_PATCH,
     .with = {"head.probe"},
     .lacks = "../classifier.weight",
     .rules = {TOWER_RULES, TOWER_CONVOLUTION SIGLIP_KEYS, SIGLIP_POOL},
     .assumed = SIGLIP_ASSUMED},
    {.name = "a Hugging Face SigLIP",
     .sign = HF_TOWER_PATCH,
     .with = {"encoder.layers.{}.self_attn.q_proj.weight"},
     .rules = {TOWER_RULES, TOWER_CONVOLUTION SIGLIP_KEYS, SIGLIP_HEAD},
     .assumed = SIGLIP_ASSUMED},
    {.name = "OpenAI's CLIP image tower",
     .sign = "conv1.weight",
     .with = {"class_embedding", "../input_resolution"},
     .rules = {OPENCLIP_RULES, OPENCLIP_NORM CLIP_PICTURES "tleg.activation = quick_gelu\n"},
     .assumed = HEADS},
    {.name = "a CLIPA image tower of OpenCLIP",
     .sign = "conv1.weight",
     .with = {"class_embedding", "transformer.resblocks.{}.ln_1.weight"},
     .lacks = "ln_pre.weight",
     .rules = {OPENCLIP_RULES, "ln_post.* -> fc_norm.*\n"
                               "tleg.pool = mean\n"
                               "tleg.patch_bias = no\n"
                               "tleg.head_bias = no\n" CLIP_PICTURES},
     .assumed = HEADS ", exact GELU, the norm of the patches' mean is read, OpenAI's mean and standard deviation of pictures"},
    {.name = "an OpenCLIP image tower",
     .sign = "conv1.weight",
     .with = {"class_embedding", "transformer.resblocks.{}.ln_1.weight"},
     .rules = {OPENCLIP_RULES, OPENCLIP_NORM CLIP_PICTURES},
     .assumed = HEADS ", exact GELU (OpenAI's weights need quick_gelu), OpenAI's mean and standard deviation of pictures"},
    {.name = "a torchvision VisionTransformer",
     .sign = "conv_proj.weight",
     .with = {"encoder.layers.encoder_layer_{}.ln_1.weight"},
     .rules = {TORCHVISION_RULES},
     .assumed = HEADS},
    {.name = "a SimpleViT of vit-pytorch",
     .sign = "to_patch_embedding.2.weight",
     .with = {"transformer.layers.{}.0.to_out.weight"},
     .lacks = "cls_token",
     .folds = true,
     .rules = {SIMPLE_RULES},
     .assumed = HEADS ", pictures of 224 pixels (say their size when opening it), " CHANNELS ", " COLOURS},
    {.name = "a ViT of vit-pytorch",
     .sign = "to_patch_embedding.2.weight",
     .with = {"transformer.layers.{}.0.norm.weight", "to_patch_embedding.3.weight"},
     .folds = true,
     .rules = {LUCID_NORMED_RULES},
     .assumed = HEADS ", the class token is read where there is one (older ones made with pool='mean' read mean_all: say "
                      "tleg.pool by rules), " CHANNELS ", " COLOURS},
    {.name = "a ViT of vit-pytorch",
     .sign = LUCID_PATCH,
     .with = {"transformer.layers.{}.0.fn.to_qkv.weight", "mlp_head.1.weight"},
     .rules = {LUCID_RULES},
     .assumed = HEADS ", the class token is what the head reads, " CHANNELS ", " COLOURS},
    {.name = "jeonsworld's ViT-pytorch",
     .sign = "transformer.embeddings.patch_embeddings.weight",
     .with = {"transformer.encoder.layer.{}.attention_norm.weight"},
     .rules = {JEONS_RULES},
     .assumed = HEADS ", " COLOURS},
    {.name = "lukemelas' PyTorch-Pretrained-ViT",
     .sign = "patch_embedding.weight",
     .with = {"transformer.blocks.{}.pwff.fc1.weight", "positional_embedding.pos_embedding"},
     .lacks = "pre_logits.weight",
     .rules = {MELAS_RULES},
     .assumed = HEADS ", " COLOURS},
    {.name = "a ViT of the UvA deep learning tutorials",
     .sign = "input_layer.weight",
     .with = {"transformer.{}.attn.in_proj_weight", "transformer.{}.linear.0.weight"},
     .rules = {UVA_RULES},
     .assumed = CHANNELS ", a patch's numbers have their channels first, " COLOURS},
    {.name = "mrdbourke's ViT",
     .sign = "patch_embedding.patcher.weight",
     .with = {"transformer_encoder.{}.msa_block.multihead_attn.in_proj_weight", "classifier.1.weight"},
     .rules = {BOURKE_RULES},
     .assumed = COLOURS},
    {.name = "tintn's ViT",
     .sign = "embedding.patch_embeddings.projection.weight",
     .with = {"encoder.blocks.{}.attention.qkv_projection.weight", "encoder.blocks.{}.mlp.dense_1.weight"},
     .rules = {TINTN_RULES},
     .assumed = "GELU by tanh, " COLOURS},
    {.name = "s-chh's Vision Transformer",
     .sign = "embedding.conv1.weight",
     .with = {"encoder.{}.attention.queries.weight", "classifier.fc1.weight"},
     .rules = {CHH_RULES},
     .assumed = "tanh between the two layers of its head, " COLOURS},
    {.name = "s-chh's Vision Transformer",
     .sign = "embedding.conv1.weight",
     .with = {"encoder.layers.{}.self_attn.in_proj_weight", "classifier.fc1.weight"},
     .rules = {CHH_LAYER_RULES},
     .assumed = "norms before attention and MLP, GELU, tanh between the two layers of its head, " COLOURS},
    {.name = "timm's NaFlexVit of a SigLIP 2, for pictures of one size",
     .sign = "embeds.proj.weight",
     .with = {"embeds.pos_embed", "attn_pool.latent"},
     .lacks = "embeds.reg_token",
     .flat = true,
     .rules = {EMBEDS_RULES, "tleg.activation = gelu_tanh\n"},
     .rest = true,
     .assumed = HEADS ", " CHANNELS ", GELU by tanh, a mean and standard deviation of 0.5"},
    {.name = "timm's NaFlexVit for pictures of one size",
     .sign = "embeds.proj.weight",
     .with = {"embeds.pos_embed", "blocks.{}.norm1.weight"},
     .flat = true,
     .rules = {EMBEDS_RULES},
     .rest = true,
     .assumed = HEADS ", " CHANNELS ", exact GELU, a mean and standard deviation of 0.5"},
    {.name = "a ViT of early timm with a representation layer",
     .sign = "pre_logits.fc.weight",
     .with = {"patch_embed.proj.weight"},
     .rules = {"pre_logits.fc.* -> pre_logits.*\n"
               "tleg.eps = 1e-6\n"},
     .rest = true,
     .assumed = HEADS ", " COLOURS},
    {.name = "Meta's DINOv2 with a SwiGLU",
     .sign = "patch_embed.proj.weight",
     .with = {"blocks.{}.mlp.w12.weight"},
     .lacks = "register_tokens",
     .rules = {SWIGLU_RULES "tleg.eps = 1e-6\n"},
     .rest = true,
     .assumed = HEADS},
    {.name = "Meta's DINOv2 with registers",
     .sign = "register_tokens",
     .with = {"patch_embed.proj.weight", "blocks.{}.ls1.gamma"},
     .rules = {"register_tokens -> reg_token\n"
               "pos_embed[:1] + 0 register_tokens + pos_embed[1:] -> pos_embed\n"
               "tleg.eps = 1e-6\n" SWIGLU_RULES},
     .rest = true,
     .assumed = HEADS},
    {.name = "a ViT of timm with registers and rotary positions",
     .sign = "patch_embed.proj.weight",
     .with = {"reg_token", "blocks.{}.gamma_1"},
     .lacks = "pos_embed|cls_token",
     .rules = {BEIT_RULES, EVA02_POSITIONS "tleg.image_size = 256\n"},
     .rest = true,
     .assumed = HEADS ", rotary positions as EVA02's, pictures of 256 pixels, " COLOURS},
    {.name = "timm's DINOv3",
     .sign = "patch_embed.proj.weight",
     .with = {"reg_token", "blocks.{}.gamma_1"},
     .lacks = "pos_embed",
     .rules = {BEIT_RULES, SPLIT_SWIGLU DINOV3_POSITIONS "tleg.pool = mean\n"
                                                         "tleg.image_size = 256\n"},
     .rest = true,
     .assumed = HEADS ", rotary positions, pictures of 256 pixels, the mean of the patches is read, " COLOURS},
    {.name = "a RoPE-ViT",
     .sign = "patch_embed.proj.weight",
     .with = {"cls_token", "blocks.{}.gamma_1"},
     .lacks = "pos_embed",
     .rules = {BEIT_RULES, "tleg.rotary = index\n"
                           "tleg.rotary_base = 100\n"
                           "tleg.rotary_order = xy\n"
                           "tleg.image_size = 224\n"},
     .rest = true,
     .assumed = HEADS ", axial rotary positions, pictures of 224 pixels, " COLOURS},
    {.name = "Meta's DINOv3",
     .sign = "storage_tokens",
     .with = {"patch_embed.proj.weight", "blocks.{}.ls1.gamma"},
     .lacks = "pos_embed",
     .rules = {"storage_tokens -> reg_token\n"
               "blocks.{}.attn.qkv.bias[:1/3] + 0 blocks.{}.attn.qkv.bias[1/3:2/3] + blocks.{}.attn.qkv.bias[2/3:] -> "
               "blocks.{}.attn.qkv.bias\n"
               "blocks.{}.attn.qkv.bias_mask -> bias_mask.{}\n" /* which says that k has none */
               "blocks.{}.mlp.w1.* + blocks.{}.mlp.w2.* -> blocks.{}.mlp.fc1.*\n"
               "blocks.{}.mlp.w3.* -> blocks.{}.mlp.fc2.*\n"
               "tleg.image_size = 224\n" DINOV3_POSITIONS},
     .rest = true,
     .assumed = HEADS ", pictures of 224 pixels"},
    {.name = "timm's Perception Encoder",
     .sign = "cls_token",
     .with = {"norm_pre.weight", "attn_pool.latent"},
     .rules = {ENCODER_RULES, "tleg.rotary_offset = 1\n"},
     .rest = true,
     .assumed = ENCODER_ASSUMED},
    {.name = "timm's Perception Encoder",
     .sign = "patch_embed.proj.weight",
     .with = {"norm_pre.weight", "attn_pool.latent"},
     .rules = {ENCODER_RULES},
     .rest = true,
     .assumed = ENCODER_ASSUMED},
    {.name = "an EVA02",
     .sign = "patch_embed.proj.weight",
     .with = {"blocks.{}.attn.q_bias"},
     .gated = true,
     .rules = {BEIT_RULES, EVA02_POSITIONS},
     .rest = true,
     .assumed = HEADS ", " COLOURS},
    {.name = "an EVA02",
     .sign = "patch_embed.proj.weight",
     .with = {"blocks.{}.attn.q_proj.weight", "blocks.{}.mlp.fc1_g.weight"},
     .rules = {"blocks.{}.attn.q_proj.weight + blocks.{}.attn.k_proj.weight + blocks.{}.attn.v_proj.weight -> "
               "blocks.{}.attn.qkv.weight\n"
               "blocks.{}.attn.q_proj.bias + 0 blocks.{}.attn.q_proj.bias + blocks.{}.attn.v_proj.bias -> "
               "blocks.{}.attn.qkv.bias\n"
               "tleg.eps = 1e-6\n" SPLIT_SWIGLU EVA02_POSITIONS},
     .rest = true,
     .assumed = HEADS ", " COLOURS},
    {.name = "EVA02-CLIP's enormous model", /* no other of EVA is as wide */
     .sign = "patch_embed.proj.weight",
     .with = {"blocks.{}.attn.q_bias"},
     .lacks = "blocks.{}.gamma_1",
     .dim = 1792,
     .rules = {BEIT_RULES, "tleg.branch_norm = after\n"},
     .rest = true,
     .assumed = HEADS ", norms after its branches, " COLOURS},
    {.name = "Microsoft's BEiT",
     .sign = "patch_embed.proj.weight",
     .with = {"blocks.{}.attn.q_bias"},
     .rules = {BEIT_RULES},
     .rest = true,
     .assumed = HEADS ", " COLOURS},
    {.name = "Meta's DeiT III",
     .sign = "patch_embed.proj.weight",
     .with = {"blocks.{}.gamma_1"},
     .rules = {"blocks.{}.gamma_1 -> blocks.{}.ls1.gamma\n"
               "blocks.{}.gamma_2 -> blocks.{}.ls2.gamma\n"
               "tleg.eps = 1e-6\n"},
     .rest = true,
     .assumed = HEADS ", no rotary positions (a RoPE-ViT with a position embedding, vit_*_rope_ape, has the same names: say "
                      "tleg.rotary, tleg.rotary_base and tleg.rotary_order by rules)"},
    {.name = "a timm tower of OpenCLIP",
     .sign = "patch_embed.proj.weight",
     .with = {"../trunk.patch_embed.proj.weight", "../head.proj.weight"},
     .rules = {tleg_family_projection, TLEG_RULES_OF_A_PART " = yes\n"},
     .rest = true},
    {.name = "a ResNet", .sign = "layer1.0.conv1.weight", .refused = "it is not a Vision Transformer", .other = true},
};

const struct tleg_family *tleg_family_at(size_t index) {
    return index < sizeof families / sizeof *families ? &families[index] : NULL;
}
