/* Generators: Diffusion Transformers (DiT, Peebles and Xie, ICCV 2023) that draw images, of a fixed depth or expanded from a
 * learngene as they run. Models and learngenes of the kind TLEG_KIND_DIT are opened, expanded and saved by the calls of
 * model.h, learngene.h and expander.h; a session refuses them, and these calls run them. Not part of <tleg/tleg.h>.
 * EXPERIMENTAL: what this header declares may change in any version.
 *
 * An image is (channels, image_size, image_size), f32, in -1..1 for pictures; or what an autoencoder gives, for latents. Noise
 * is added to it over 1000 times: x_t = sqrt(a_t) x + sqrt(1 - a_t) noise, where a_t is the product of 1 - b_s over s = 0..t,
 * and b goes from 1e-4 to 2e-2 in a straight line. A generator is given x_t, t and a label, and tells the noise; drawing goes
 * the way back from noise alone.
 *
 * One thread at a time may use a generator (tleg_generator_cancel excepted); many may share one model or expander. Results are
 * the same, to the bit, at any number of threads, at any batch size, and elastic or materialised, at one processor level. */
#ifndef TLEG_GENERATE_H
#define TLEG_GENERATE_H

#include <tleg/expander.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tleg_generator tleg_generator;

typedef struct tleg_generator_options {
    uint32_t struct_size; /* sizeof(tleg_generator_options) */
    int32_t batch;        /* images computed at once (1); guidance takes two for each that is drawn */
} tleg_generator_options;

/* A generator over a model, or over an expander, whose layers are formed as they run. `options` may be NULL. Threads and pool
 * are the context's; no call of tleg_generator_run or tleg_generator_sample allocates.
 * Errors: ARGUMENT (also a classifier instead of a generator; depth), NUMERIC (as tleg_session_create_elastic), MEMORY.
 *
 *     tleg_expander_open(context, "gene.safetensors", NULL, NULL, &expander);
 *     tleg_generator_create_elastic(context, expander, 8, NULL, &generator); */
TLEG_API tleg_status TLEG_CALL tleg_generator_create(tleg_context *context, const tleg_model *model,
                                                     const tleg_generator_options *options, tleg_generator **generator);
TLEG_API tleg_status TLEG_CALL tleg_generator_create_elastic(tleg_context *context, const tleg_expander *expander,
                                                             int32_t depth, const tleg_generator_options *options,
                                                             tleg_generator **generator);

/* The bytes that creating such a generator allocates, exactly; for an elastic one they are the same at every depth.
 * Errors: ARGUMENT, MEMORY (the size does not fit in memory). */
TLEG_API tleg_status TLEG_CALL tleg_generator_get_memory(tleg_context *context, const tleg_model *model,
                                                         const tleg_generator_options *options, uint64_t *bytes);
TLEG_API tleg_status TLEG_CALL tleg_generator_get_elastic_memory(tleg_context *context, const tleg_expander *expander,
                                                                 const tleg_generator_options *options, uint64_t *bytes);

typedef struct tleg_generator_info {
    uint32_t struct_size; /* sizeof(tleg_generator_info), set by the caller */
    int32_t elastic;      /* 1: made by tleg_generator_create_elastic */
    int32_t depth;        /* of the next run */
    int32_t least_depth;  /* what tleg_generator_set_depth takes; both are depth over a model */
    int32_t most_depth;
    int32_t batch;         /* images computed at once */
    int32_t times;         /* 1000: a time is 0 to one less */
    int32_t labels;        /* a label is 0 to one less */
    int32_t null_label;    /* the one that stands for "any", `labels` itself; -1: there is none, and no guidance */
    int32_t reserved;      /* 0 */
    uint64_t image_floats; /* channels * image_size * image_size */
    uint64_t noise_floats; /* the same, or twice that with a learned sigma: the noise first */
    uint64_t bytes;        /* what the generator holds */
} tleg_generator_info;

/* Fills *info up to info->struct_size. `context` may be NULL: there is no text then. Errors: ARGUMENT. */
TLEG_API tleg_status TLEG_CALL tleg_generator_get_info(tleg_context *context, const tleg_generator *generator,
                                                       tleg_generator_info *info);

/* Changes the depth of an elastic generator for what follows; costs no reload.
 * Errors: ARGUMENT (depth), NUMERIC (as at creation), STATE (a generator over a model). The former depth stays. */
TLEG_API tleg_status TLEG_CALL tleg_generator_set_depth(tleg_generator *generator, int32_t depth);

/* Tells the noise in `batch` >= 1 images. Each array of floats comes with the count that lies there, aligned to 4.
 *   images  (batch, channels, image_size, image_size): x_t
 *   times   (batch), 0 to 999
 *   labels  (batch), 0 to the null label; NULL: the null label everywhere
 *   noise   (batch, noise_floats of tleg_generator_info)
 * Errors: ARGUMENT (also a count that is too small: the text says what is needed), CANCELLED, and what the context's parallel
 * returned (noise is undefined after both). */
TLEG_API tleg_status TLEG_CALL tleg_generator_run(tleg_generator *generator, int64_t batch, const float *images,
                                                  size_t image_floats, const int64_t *times, const int64_t *labels,
                                                  float *noise, size_t noise_floats);

/* Told after each step how far all images are; `images` (count of them) as they are now, on the way from noise. A value other
 * than 0 stops the drawing, if there is a step left. Called on the thread that called, and may not use the generator. */
typedef int32_t(TLEG_CALL *tleg_sample_fn)(void *host, int32_t step, int32_t steps, int64_t count, const float *images);

/* What to draw. Zero it, set struct_size, count and steps. */
typedef struct tleg_sample_options {
    uint32_t struct_size; /* sizeof(tleg_sample_options) */
    int32_t steps;        /* needed, 1 to 1000: of DDIM with eta 0, over times evenly spread from 0 to 999 */
    int64_t count;        /* needed: images */
    double guidance; /* finite; noise = null + guidance (label - null); 1: labels alone, at half the time, as without labels (0:
                        1) */
    uint64_t seed;   /* image i begins with normal numbers from (seed, i): the same on every machine */
    const int64_t *labels;   /* (count), or NULL: the null label */
    const float *noise;      /* (count, image_floats) to begin with, or NULL: from the seed */
    const int32_t *depths;   /* (steps): the depth of each step, from noise to image, for an elastic generator; NULL: its own */
    tleg_sample_fn progress; /* or NULL */
    void *host;              /* of progress */
    const void *reserved;    /* NULL */
} tleg_sample_options;

/* Draws count images into `images` (image_floats floats lie there). Each is the same whatever is drawn beside it. Errors:
 * ARGUMENT (names the member: a label out of range, guidance without a null label), STATE (depths over a model), NUMERIC (one
 * of depths, as at creation), CANCELLED (progress, or tleg_generator_cancel), and what the context's parallel returned; images
 * are undefined after both.
 *
 *     int64_t labels[4] = {8, 8, 1, 7};
 *     tleg_sample_options options = {.struct_size = sizeof options, .steps = 50, .count = 4, .guidance = 2, .labels = labels};
 *     tleg_generator_sample(generator, &options, images, 4 * info.image_floats); */
TLEG_API tleg_status TLEG_CALL tleg_generator_sample(tleg_generator *generator, const tleg_sample_options *options,
                                                     float *images, size_t image_floats);

/* noised = sqrt(a_t) image + sqrt(1 - a_t) noise, for `batch` images of `floats` numbers each: what learning, and a test of a
 * generator, begin with. noised may be images or noise. `context` may be NULL. Errors: ARGUMENT. */
TLEG_API tleg_status TLEG_CALL tleg_generator_add_noise(tleg_context *context, int64_t batch, size_t floats,
                                                        const float *images, const float *noise, const int64_t *times,
                                                        float *noised);

/* What drawing begins with: the normal numbers of images first..first+batch-1 of a seed, `floats` each; the same on every
 * machine. `context` may be NULL. Errors: ARGUMENT (the last image's number is above 2^63 - 1, and misuse). */
TLEG_API tleg_status TLEG_CALL tleg_generator_make_noise(tleg_context *context, uint64_t seed, int64_t first, int64_t batch,
                                                         size_t floats, float *noise);

/* The text of the last call on this generator that failed, "" if none did. Valid until its next call. */
TLEG_API const char *TLEG_CALL tleg_generator_get_error(const tleg_generator *generator);

/* Stops the run or the drawing in progress, which then returns CANCELLED; it looks once a layer and part of a batch. Does
 * nothing on a generator that is not running. Any thread, but not while or after it is freed. */
TLEG_API void TLEG_CALL tleg_generator_cancel(tleg_generator *generator);

/* Frees the generator: any thread, when no other call uses it. NULL is allowed. */
TLEG_API void TLEG_CALL tleg_generator_free(tleg_generator *generator);

#ifdef __cplusplus
}
#endif

#endif
