/* Prints the offset and size of every member of every public struct and fails where a member, or the end, does not follow the
 * member before it without a gap: implicit padding would hold the host's garbage. */
#include <stddef.h>
#include <stdio.h>
#include <tleg/augment.h>
#include <tleg/generate.h>
#include <tleg/linearize.h>
#include <tleg/tleg.h>
#include <tleg/train.h>

static size_t end;
static int gaps;

static void begin(const char *name, size_t size) {
    printf("%s %zu\n", name, size);
    end = 0;
}

static void member(const char *name, size_t offset, size_t size) {
    printf("    %s %zu %zu\n", name, offset, size);
    if (offset != end) {
        fprintf(stderr, "%s: %zu bytes of padding before it, or a member is missing in this program\n", name, offset - end);
        gaps++;
    }
    end = offset + size;
}

static void finish(const char *name, size_t size) {
    if (size != end) {
        fprintf(stderr, "%s: %zu bytes of padding at its end, or a member is missing in this program\n", name, size - end);
        gaps++;
    }
}

#define M(field) member(#field, offsetof(struct STRUCT, field), sizeof(((struct STRUCT *)0)->field))
#define BEGIN(name) begin(name, sizeof(struct STRUCT))
#define END(name) finish(name, sizeof(struct STRUCT))

#define STRUCT tleg_context_options
static void context_options(void) {
    BEGIN("tleg_context_options");
    M(struct_size), M(level), M(workers), M(gemm), M(error_text_bytes), M(error_text), M(alloc), M(release), M(alloc_host),
        M(parallel), M(parallel_host), M(log);
    M(log_host), M(progress), M(progress_host), M(sgemm), M(sgemm64);
    END("tleg_context_options");
}
#undef STRUCT

#define STRUCT tleg_open_options
static void open_options(void) {
    BEGIN("tleg_open_options");
    M(struct_size), M(flags), M(heads), M(dtype), M(key), M(names), M(eps), M(activation), M(position_filter), M(pictures),
        M(reserved_pointer);
    END("tleg_open_options");
}
#undef STRUCT

#define STRUCT tleg_save_options
static void save_options(void) {
    BEGIN("tleg_save_options");
    M(struct_size), M(flags), M(dtype), M(reserved), M(pairs), M(keys_and_values), M(reserved_pointer), M(depth_count),
        M(reserved2), M(depths), M(scores);
    END("tleg_save_options");
}
#undef STRUCT

#define STRUCT tleg_source
static void source(void) {
    BEGIN("tleg_source");
    M(struct_size), M(flags), M(size), M(read), M(release), M(host), M(name);
    END("tleg_source");
}
#undef STRUCT

#define STRUCT tleg_tensor_info
static void tensor_info(void) {
    BEGIN("tleg_tensor_info");
    M(struct_size), M(dtype), M(rank), M(flags), M(shape), M(bytes), M(data), M(reserved);
    END("tleg_tensor_info");
}
#undef STRUCT

#define STRUCT tleg_config
static void config(void) {
    BEGIN("tleg_config");
    M(struct_size), M(image_size), M(patch_size), M(dim), M(heads), M(hidden), M(classes), M(depth), M(class_token),
        M(distillation_token), M(registers), M(pool), M(norm);
    M(no_qkv_bias), M(dtype), M(label_count), M(kind), M(channels), M(eps), M(mean), M(std), M(crop), M(ignored_count);
    M(parameters), M(labels), M(schedule), M(ignored), M(reserved);
    M(depth_count), M(positions), M(depths), M(scores), M(interpolation), M(fit), M(mlp), M(layer_scale), M(norm_before);
    M(unplaced), M(no_patch_bias), M(no_head_bias), M(assumed), M(attention_dim), M(norm_after), M(gated), M(attention_norm),
        M(mlp_norm), M(learned_sigma), M(no_null_label), M(no_positions), M(rotary), M(rotary_halves), M(rotary_x_first),
        M(rotary_grid), M(rotary_offset), M(pool_heads), M(pool_hidden), M(rotary_base), M(rms), M(no_norm), M(patch_norm),
        M(no_proj_bias), M(no_mlp_bias), M(qk_norm), M(pixel_norm), M(image_width), M(patch_width), M(representation);
    END("tleg_config");
}
#undef STRUCT

#define STRUCT tleg_scores
static void scores(void) {
    BEGIN("tleg_scores");
    M(struct_size), M(count), M(images), M(depths), M(scores), M(on), M(reserved);
    END("tleg_scores");
}
#undef STRUCT

#define STRUCT tleg_expander_options
static void expander_options(void) {
    BEGIN("tleg_expander_options");
    M(struct_size), M(dtype), M(norm), M(image_size), M(classes), M(compute), M(seed), M(image_width), M(position_filter);
    END("tleg_expander_options");
}
#undef STRUCT

#define STRUCT tleg_cost
static void cost(void) {
    BEGIN("tleg_cost");
    M(struct_size), M(least_depth), M(bytes), M(bytes_fixed), M(bytes_per_layer), M(ms), M(ms_fixed), M(ms_per_layer);
    M(bytes_peak), M(bytes_elastic), M(spread), M(batch), M(runs), M(parameters), M(ms_elastic), M(ms_elastic_fixed);
    M(ms_elastic_per_layer);
    END("tleg_cost");
}
#undef STRUCT

#define STRUCT tleg_budget
static void budget(void) {
    BEGIN("tleg_budget");
    M(struct_size), M(batch), M(bytes), M(milliseconds);
    M(margin), M(holding), M(any_depth), M(cost), M(scores);
    END("tleg_budget");
}
#undef STRUCT

#define STRUCT tleg_best
static void best(void) {
    BEGIN("tleg_best");
    M(struct_size), M(depth), M(score), M(standard_error), M(cheapest), M(fitting), M(cheapest_score);
    END("tleg_best");
}
#undef STRUCT

#define STRUCT tleg_session_options
static void session_options(void) {
    BEGIN("tleg_session_options");
    M(struct_size), M(batch);
    END("tleg_session_options");
}
#undef STRUCT

#define STRUCT tleg_session_info
static void session_info(void) {
    BEGIN("tleg_session_info");
    M(struct_size), M(elastic), M(depth), M(least_depth), M(most_depth), M(batch), M(image_floats), M(logit_floats);
    M(feature_floats), M(bytes);
    END("tleg_session_info");
}
#undef STRUCT

#define STRUCT tleg_block_options
static void block_options(void) {
    BEGIN("tleg_block_options");
    M(struct_size), M(heads), M(eps), M(norm1_weight), M(norm1_bias), M(qkv_weight), M(qkv_bias), M(proj_weight), M(proj_bias);
    M(norm2_weight), M(norm2_bias), M(fc1_weight), M(fc1_bias), M(fc2_weight), M(fc2_bias);
    END("tleg_block_options");
}
#undef STRUCT

#define STRUCT tleg_block_gradients
static void block_gradients(void) {
    BEGIN("tleg_block_gradients");
    M(struct_size), M(reserved), M(norm1_weight), M(norm1_bias), M(qkv_weight), M(qkv_bias), M(proj_weight), M(proj_bias);
    M(norm2_weight), M(norm2_bias), M(fc1_weight), M(fc1_bias), M(fc2_weight), M(fc2_bias);
    END("tleg_block_gradients");
}
#undef STRUCT

#define STRUCT tleg_image
static void image(void) {
    BEGIN("tleg_image");
    M(struct_size), M(layout), M(width), M(height), M(stride), M(pixels), M(reserved);
    END("tleg_image");
}
#undef STRUCT

#define STRUCT tleg_preparation_options
static void preparation_options(void) {
    BEGIN("tleg_preparation_options");
    M(struct_size), M(image_size), M(crop), M(mean), M(std), M(interpolation), M(fit), M(channels), M(image_width);
    END("tleg_preparation_options");
}
#undef STRUCT

#define STRUCT tleg_preparation_info
static void preparation_info(void) {
    BEGIN("tleg_preparation_info");
    M(struct_size), M(image_size), M(floats), M(crop), M(mean), M(std), M(interpolation), M(fit), M(channels), M(image_width);
    END("tleg_preparation_info");
}
#undef STRUCT

#define STRUCT tleg_trainer_options
static void trainer_options(void) {
    BEGIN("tleg_trainer_options");
    M(struct_size), M(batch), M(depth_mode), M(depth_least), M(depth_most), M(checkpoint), M(norm), M(image_size), M(alpha);
    M(tau), M(smoothing), M(weight_decay), M(beta1), M(beta2), M(epsilon), M(clip), M(drop_path), M(ema), M(seed), M(teacher);
    M(teacher_host), M(all_reduce), M(all_reduce_host), M(ranks), M(dtype), M(in_place), M(optimiser);
    M(nesterov), M(momentum), M(freeze), M(frozen_layers), M(layer_decay), M(rank), M(teacher_mean), M(ema_warmup);
    M(teacher_loss), M(class_weights), M(reserved), M(label_drop), M(noise_teacher), M(noise_teacher_host), M(image_width),
        M(position_filter);
    END("tleg_trainer_options");
}
#undef STRUCT

#define STRUCT tleg_train_batch
static void batch(void) {
    BEGIN("tleg_train_batch");
    M(struct_size), M(size), M(share), M(images), M(labels), M(targets), M(teacher_logits), M(times), M(noise);
    END("tleg_train_batch");
}
#undef STRUCT

#define STRUCT tleg_train_loss
static void loss(void) {
    BEGIN("tleg_train_loss");
    M(struct_size), M(depth), M(total), M(labels), M(teacher), M(correct), M(in_place);
    END("tleg_train_loss");
}
#undef STRUCT

#define STRUCT tleg_train_rate
static void rate(void) {
    BEGIN("tleg_train_rate");
    M(struct_size), M(epochs), M(warmup), M(curve), M(peak), M(start), M(end), M(decay), M(warmup_steps), M(steps);
    END("tleg_train_rate");
}
#undef STRUCT

#define STRUCT tleg_generator_options
static void generator_options(void) {
    BEGIN("tleg_generator_options");
    M(struct_size), M(batch);
    END("tleg_generator_options");
}
#undef STRUCT

#define STRUCT tleg_generator_info
static void generator_info(void) {
    BEGIN("tleg_generator_info");
    M(struct_size), M(elastic), M(depth), M(least_depth), M(most_depth), M(batch), M(times), M(labels), M(null_label),
        M(reserved), M(image_floats), M(noise_floats), M(bytes);
    END("tleg_generator_info");
}
#undef STRUCT

#define STRUCT tleg_sample_options
static void sample_options(void) {
    BEGIN("tleg_sample_options");
    M(struct_size), M(steps), M(count), M(guidance), M(seed), M(labels), M(noise), M(depths), M(progress), M(host), M(reserved);
    END("tleg_sample_options");
}
#undef STRUCT

int main(void) {
    context_options();
    open_options();
    source();
    save_options();
    tensor_info();
    config();
    scores();
    expander_options();
    cost();
    budget();
    best();
    session_options();
    session_info();
    block_options();
    block_gradients();
    image();
    preparation_options();
    preparation_info();
    trainer_options();
    batch();
    loss();
    rate();
    generator_options();
    generator_info();
    sample_options();
    return gaps != 0;
}
