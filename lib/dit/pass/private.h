/* The condition's memory and the parts of tleg_generator_ends, between the files of this room. */
#ifndef TLEG_LIB_DIT_PASS_PRIVATE_H
#define TLEG_LIB_DIT_PASS_PRIVATE_H

#include "dit/pass/pass.h"

/* Shift, scale and gate of attention's half of a block, then of the MLP's: 6D numbers an image. The last layer has the first
 * two. */
enum { TLEG_MODULATED = 6, TLEG_MODULATED_LAST = 2 };

struct tleg_condition {
    float *waves;                    /* (B, 2 TLEG_TIME_WAVES): cosines of the time, then sines */
    float *middle;                   /* (B, D): time_in's output, before SiLU */
    float *sum;                      /* (B, D): the condition, before SiLU */
    float *active;                   /* (B, D): after it */
    float *block;                    /* (B, 6D): a block's modulation, scales with 1 added */
    float *last;                     /* (B, 2D): the last layer's */
    float *dactive, *dblock, *dlast; /* the gradients by these; of a pass that goes back */
};
size_t tleg_condition_floats(const tleg_config *config, int64_t batch, bool backward);
struct tleg_condition tleg_condition_place(const tleg_config *config, int64_t batch, float *memory);
/* out (B, n) = active W^T + bias, in parts of D columns: shift, scale and gate, or shift and scale. 1 is added to the scales.
 */
void tleg_condition_spread(const struct tleg_exec *exec, const struct tleg_condition *condition, int64_t batch,
                           const struct tleg_linear *linear, float *out);
/* Gradients of such a product: W's and bias', and dactive = or += dout W, with W turned. */
void tleg_condition_spread_backward(const struct tleg_exec *exec, const struct tleg_condition *condition, int64_t batch,
                                    const struct tleg_weight *turned, const float *dout, bool add,
                                    const struct tleg_linear_gradient *gradient);

/* condition.c */
void tleg_condition_form(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                         const struct tleg_asked *asked, int64_t batch, float *memory);
void tleg_condition_form_backward(const struct tleg_exec *exec, const tleg_config *config,
                                  const struct tleg_outer_turned *turned, const struct tleg_asked *asked, int64_t batch,
                                  float *memory, const struct tleg_outer_gradient *gradient);
/* modulate.c */
void tleg_modulate(const struct tleg_exec *exec, const tleg_config *config, int64_t batch, float *memory,
                   struct tleg_layer *layer);
void tleg_modulate_aim(const tleg_config *config, int64_t batch, float *memory, struct tleg_layer_gradient *gradient);
void tleg_modulate_backward(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_weight *turned,
                            int64_t batch, float *memory, const struct tleg_layer_gradient *gradient);
/* finish.c */
void tleg_finish(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer, int64_t batch,
                 float *memory, const float *x, float *room, float *out);
void tleg_finish_backward(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_turned *turned,
                          int64_t batch, float *memory, const float *x, const float *dout, float *room, float *d,
                          const struct tleg_outer_gradient *gradient);

#endif
