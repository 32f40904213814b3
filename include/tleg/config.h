/* What a Vision Transformer looks like: the configuration that learngenes and models share. */
#ifndef TLEG_CONFIG_H
#define TLEG_CONFIG_H

#include <tleg/scores.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Families of models. A program that knows one alone looks at tleg_config.kind before it goes on. VIT tells classes apart; DIT
 * draws: a Diffusion Transformer (Peebles and Xie, 2023), which generate.h runs. */
typedef int32_t tleg_kind;
enum { TLEG_KIND_SIGNED = -1, TLEG_KIND_VIT = 1, TLEG_KIND_DIT = 2 };

/* What the head reads: the mean over patch tokens, or over all; the class token; of all tokens or of the patches alone, what
 * one learned query attends to, with an MLP of its own after it (SigLIP's attention pooling, timm's AttentionPoolLatent); the
 * largest number of each column of the patches, or the mean of that and of their mean (timm's max and avgmax); or the class
 * token with the mean of the patches after it, 2 * dim numbers (DINOv2's linear classifier). A representation layer may lie
 * between. */
typedef int32_t tleg_pool_kind;
enum {
    TLEG_POOL_SIGNED = -1,
    TLEG_POOL_MEAN = 1,
    TLEG_POOL_CLS = 2,
    TLEG_POOL_ATTENTION = 3,
    TLEG_POOL_PATCH_ATTENTION = 4,
    TLEG_POOL_MAX = 5,
    TLEG_POOL_MEAN_MAX = 6,
    TLEG_POOL_CLS_MEAN = 7,
    TLEG_POOL_MEAN_ALL = 8
};

/* Where the final LayerNorm stands. */
typedef int32_t tleg_norm_place;
enum { TLEG_NORM_SIGNED = -1, TLEG_NORM_BEFORE_POOL = 1, TLEG_NORM_AFTER_POOL = 2 };

/* How a fresh learngene's position embedding begins: normal(0, 0.02), or sines and cosines of the patch's place in the image,
 * from which small images are learned in fewer steps (docs/training.md). */
typedef int32_t tleg_positions;
enum { TLEG_POSITIONS_SIGNED = -1, TLEG_POSITIONS_NORMAL = 1, TLEG_POSITIONS_SINCOS = 2 };

/* How a position embedding becomes that of pictures of another size, its prefix tokens kept: as torch's interpolate with
 * mode="bicubic" does it (a = -0.75; DINOv2, older versions of timm), or with antialias=True besides (a = -0.5 and wider where
 * the grid shrinks; timm today, also with dynamic_img_size). */
typedef int32_t tleg_position_filter;
enum { TLEG_POSITION_FILTER_SIGNED = -1, TLEG_POSITION_FILTER_BICUBIC = 1, TLEG_POSITION_FILTER_ANTIALIAS = 2 };

/* How a picture is resized, antialiased, as PIL's filters of these names do it. */
typedef int32_t tleg_interpolation;
enum {
    TLEG_INTERPOLATION_SIGNED = -1,
    TLEG_INTERPOLATION_BICUBIC = 1,
    TLEG_INTERPOLATION_BILINEAR = 2,
    TLEG_INTERPOLATION_BOX = 3
};

/* How a picture gets the shape of the input. Both resize to side = floor(image_size / crop), then keep the centre: CROP the
 * shorter side to `side`, so that what sticks out on the longer one is lost (DeiT, DINOv2, CLIP); SQUASH both sides, whatever
 * the picture's aspect (SigLIP, Hugging Face's ViT). An input that is not square has such a side for its height and another for
 * its width: CROP resizes to the smallest picture that covers both. Where an odd number of pixels is lost, the centre is
 * torchvision's and timm's, whose half is rounded to even; or, with _FLOOR, that of Hugging Face's transformers, who round it
 * down. */
typedef int32_t tleg_fit;
enum { TLEG_FIT_SIGNED = -1, TLEG_FIT_CROP = 1, TLEG_FIT_SQUASH = 2, TLEG_FIT_CROP_FLOOR = 3, TLEG_FIT_SQUASH_FLOOR = 4 };

/* What is taken for granted of pictures (tleg_config.assumed): ImageNet's mean and std, the crop, bicubic and CROP. A file that
 * says its crop says the last by not saying it. */
enum { TLEG_ASSUMED_COLOURS = 1, TLEG_ASSUMED_CROP = 2, TLEG_ASSUMED_FILTER = 4 };

/* What an MLP does between its two matrices. GELU is the exact one, of erf; QUICK_GELU is x sigmoid(1.702 x), which OpenAI's
 * CLIP has; GELU_TANH the approximation by tanh; SILU x sigmoid(x). */
typedef int32_t tleg_mlp_kind;
enum {
    TLEG_MLP_SIGNED = -1,
    TLEG_MLP_GELU = 1,
    TLEG_MLP_QUICK_GELU = 2,
    TLEG_MLP_GELU_TANH = 3,
    TLEG_MLP_SILU = 4,
    TLEG_MLP_RELU = 5
};

/* Rotary positions (arXiv 2104.09864), in two dimensions: the queries and keys of patches are turned, two numbers of a head at
 * a time, by angles that follow from the patch's place: for the k-th of a quarter of the head's numbers, place *
 * base^(-k/quarter). INDEX: the place is its row, or column, 0, 1, ... (EVA02, RoPE-ViT, Perception Encoder); CENTRED: 2 pi
 * times its middle, from -1 at the one edge of the picture to 1 at the other (DINOv3). */
typedef int32_t tleg_rotary;
enum { TLEG_ROTARY_SIGNED = -1, TLEG_ROTARY_INDEX = 1, TLEG_ROTARY_CENTRED = 2 };

/* What a norm of queries and keys runs over: each head's numbers, with the same factors for all heads (timm's qk_norm,
 * Sapiens2), or all numbers of a token (InternViT-6B). */
typedef int32_t tleg_qk_norm;
enum { TLEG_QK_NORM_SIGNED = -1, TLEG_QK_NORM_HEAD = 1, TLEG_QK_NORM_TOKEN = 2 };

/* As input (tleg_learngene_create): zero it, set struct_size and what is marked "needed"; zero elsewhere means the default in
 * parentheses. As output (.._get_info): set struct_size; the rest is filled; its pointers live as long as the handle.
 * What get_info filled of a learngene with a head may serve as input: members marked "output only" are not read, apart from
 * dtype, which must be 0 or TLEG_F32 there, and reserved. */
typedef struct tleg_config {
    uint32_t struct_size;       /* sizeof(tleg_config) */
    int32_t image_size;         /* needed: height of the input in pixels, a multiple of patch_size */
    int32_t patch_size;         /* needed: height of a patch */
    int32_t dim;                /* needed: width of a token */
    int32_t heads;              /* needed: divides dim, or attention_dim */
    int32_t hidden;             /* width inside the MLP (4 * dim) */
    int32_t classes;            /* needed; as output 0 where there is no head: features alone. Of DIT, the labels to draw by */
    int32_t depth;              /* of a model; 0 for a learngene */
    int32_t class_token;        /* 1: a class token before the patches */
    int32_t distillation_token; /* 1: a distillation token after it, with a head of its own; needs a class token */
    int32_t registers;          /* register tokens between those and the patches: 0 to 1024 */
    tleg_pool_kind pool;        /* TLEG_POOL_* (MEAN without, CLS with a class token) */
    tleg_norm_place norm;       /* TLEG_NORM_* (BEFORE_POOL) */
    int32_t no_qkv_bias;        /* 1: qkv has no bias */
    tleg_dtype dtype;           /* output only: element type of a model's weights */
    int32_t label_count;        /* 0, or as many as classes */
    tleg_kind kind;             /* TLEG_KIND_* (VIT) */
    int32_t channels;           /* of the images: 1 or 3, of DIT 1 to 64 (3) */
    double eps;                 /* of every LayerNorm (1e-5, of DIT 1e-6) */
    double mean[3];             /* of the images, 0..1 scale, R G B (ImageNet's 0.485,0.456,0.406 when mean and std are 0;
                                   with a std it is taken as it stands, because 0 is a mean that models have); the first
                                   alone counts for images of one channel; of DIT 0.5: images lie in -1..1 */
    double std[3];              /* (ImageNet's 0.229,0.224,0.225 when all are 0; of DIT 0.5) */
    double crop;                /* share of the resized image that the centre crop keeps, 0 < crop <= 1
                                   (0.875; 1 for images of 32 pixels or less) */
    int64_t ignored_count;      /* output only */
    uint64_t parameters;        /* output only: numbers stored */
    const char *const *labels;  /* class names, UTF-8 (none) */
    const char *schedule;       /* of a learngene: JSON as learngene.h says ("": base and ilayer everywhere) */
    const char *const *ignored; /* output only: names of tensors in the file that are not used */
    const void *reserved;       /* NULL */
    int32_t depth_count;        /* output only: of `depths`; 0: the file does not say */
    tleg_positions positions;   /* input only: TLEG_POSITIONS_* (NORMAL); SINCOS needs a dim that is a multiple of 4 */
    const int32_t *depths;      /* output only: the depths at which it was learned, rising */
    const tleg_scores *scores;  /* output only: what depths scored; NULL: the file does not say */

    tleg_interpolation interpolation; /* TLEG_INTERPOLATION_* (BICUBIC) */
    tleg_fit fit;                     /* TLEG_FIT_* (CROP) */

    tleg_mlp_kind mlp;     /* TLEG_MLP_* (GELU; where gated is 1, SILU; of a generator GELU_TANH) */
    int32_t layer_scale;   /* 1: each of a block's two branches is multiplied by a factor for each column (LayerScale) */
    int32_t norm_before;   /* 1: a LayerNorm before the first block (CLIP) */
    int32_t unplaced;      /* tokens before the patches that have no row in the position embedding: the last so many */
    int32_t no_patch_bias; /* 1: the patch embedding has no bias (CLIP, or tleg.patch_bias) */
    int32_t no_head_bias;  /* 1: the head has no bias (CLIP's projection, or tleg.head_bias) */

    int32_t assumed;       /* output only: TLEG_ASSUMED_*, what its file does not say of pictures; of DIT nothing */
    int32_t attention_dim; /* numbers of all heads together, where that is not dim: vit-pytorch's heads * dim_head (0: dim,
                              which as output stands as 0 too); of DIT 0 */

    int32_t norm_after; /* 1: a block's two norms stand after their branches, x + norm(branch(x)), not before them; 2: after the
                           sums, norm(x + branch(x)) */
    int32_t gated;      /* 1: fc1 has two rows for each of `hidden`, and fc2 reads mlp(first half) * second half: SwiGLU with
                           TLEG_MLP_SILU, which `mlp` is then by default */
    int32_t attention_norm; /* 1: a LayerNorm of attention's output, before proj */
    int32_t mlp_norm;       /* 1: a LayerNorm of what fc2 reads */
    int32_t learned_sigma;  /* of DIT, 1: beside the noise it gives as many channels again, for the variance */
    int32_t no_null_label;  /* of DIT, 1: no label stands for "any", so that there is no guidance */

    int32_t no_positions;   /* 1: no position embedding; needs rotary positions */
    tleg_rotary rotary;     /* TLEG_ROTARY_*; needs a head of a multiple of 4 numbers (0: none) */
    int32_t rotary_halves;  /* 1: of a head's d numbers, i and i + d/2 are turned together; 0: neighbours */
    int32_t rotary_x_first; /* 1: the first half of the angles follow the patch's column, the others its row; 0: the reverse */
    int32_t rotary_grid; /* of INDEX: rows and columns are counted as in a grid of so many patches a side (0: as in its own) */
    int32_t rotary_offset; /* of INDEX: the number of the first row and column, 0 or 1 */
    int32_t pool_heads;    /* of attention pooling, a divisor of dim (heads) */
    int32_t pool_hidden;   /* width inside its MLP (hidden) */
    double rotary_base;    /* above 1, at most 1e12 (10000; 100 with CENTRED) */
    int32_t rms;           /* 1: every norm is an RMSNorm, x / sqrt(mean(x^2) + eps) * weight, and has no bias */
    int32_t no_norm;       /* 1: no final norm */
    int32_t patch_norm;    /* 1: a norm of the embedded patches, before their places are added (AIMv2) */
    int32_t no_proj_bias;  /* 1: attention's proj has no bias */
    int32_t no_mlp_bias;   /* 1: neither fc1 nor fc2 has one */
    tleg_qk_norm
        qk_norm; /* TLEG_QK_NORM_*: a norm of attention's queries and one of its keys, before they are turned (0: none) */

    int32_t pixel_norm;  /* 1: each patch's pixels have mean 0 and variance 1 before they are embedded (vit-pytorch) */
    int32_t image_width; /* of an input that is not square, a multiple of the patch's width (0: image_size); of DIT 0 */
    int32_t patch_width; /* of patches that are not square (0: patch_size); of DIT 0. As output both are 0 where it is square */
    int32_t representation; /* width of a layer with tanh before the head, ViT's representation_size (0: none) */
} tleg_config;

/* The parts of a block whose weights follow a learngene's schedule, in the order of everything that is listed by site: its key
 * in a schedule ("norm1", "norm2", "qkv", "proj", "fc1", "fc2", "ls1", "ls2", "attn_norm", "mlp_norm", "modulation",
 * "q_norm", "k_norm"), and its name in tensors' names ("norm1", "attn.qkv", "mlp.fc1"). NULL for any other number; a later
 * version may have more of them. The texts are static. */
TLEG_API const char *TLEG_CALL tleg_site_key(int32_t site);
TLEG_API const char *TLEG_CALL tleg_site_name(int32_t site);

#ifdef __cplusplus
}
#endif

#endif
