/* The pass of a block and the embedding, which sessions and trainers share, from inside. */
#include "support/support.h"
#include "vit/pass/pass.h"
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2, TOKENS = 5, DIM = 12, HIDDEN = 20, HEADS = 3 };
static const tleg_config config = {.image_size = 8,
                                   .patch_size = 4,
                                   .dim = DIM,
                                   .heads = HEADS,
                                   .hidden = HIDDEN,
                                   .classes = 3,
                                   .channels = 3,
                                   .class_token = 1,
                                   .registers = 2,
                                   .pool = TLEG_POOL_CLS,
                                   .norm = TLEG_NORM_BEFORE_POOL,
                                   .eps = 1e-5};

static tleg_context *context;
static struct tleg_exec exec;
static struct tleg_scratch scratch; /* what exec has room for */

static float *floats(size_t count) {
    float *memory = aligned_alloc(TLEG_ALIGN, tleg_size_align(count * sizeof *memory));
    assert_non_null(memory);
    return memory;
}

static int make_exec(void **state) {
    (void)state;
    const struct tleg_block_shape shape = tleg_block_shape_make(&config, BATCH, TOKENS, TLEG_F32);
    OK(NULL, tleg_context_create(NULL, &context));
    OK(context, tleg_kernels_of(context, &exec.kernels));
    scratch = tleg_backward_scratch(exec.kernels, &shape);
    tleg_scratch_join(&scratch, tleg_ends_scratch(exec.kernels, &config, TLEG_F32, BATCH, true));
    exec.lanes = tleg_team_lanes(context->team);
    exec.team = context->team;
    exec.shared = (char *)floats(scratch.shared / sizeof(float) + 1);
    exec.lane = (char *)floats((size_t)exec.lanes * scratch.lane / sizeof(float) + 1);
    exec.lane_bytes = scratch.lane;
    return 0;
}

static int free_exec(void **state) {
    (void)state;
    free(exec.shared);
    free(exec.lane);
    tleg_context_free(context);
    return 0;
}

/* A layer of random weights, in memory that the caller frees. */
static char *make_layer(struct tleg_layer_layout *layout, struct tleg_layer *layer) {
    tleg_layer_layout(exec.kernels, &config, TLEG_F32, layout);
    char *memory = (char *)floats(layout->bytes / sizeof(float));
    const struct tleg_layer_at at = {exec.kernels, &config, layout, memory};
    struct tleg_parameter p = {0};
    for (uint64_t seed = 1; tleg_each_parameter(&config, &p); seed++) {
        float *values = support_values(seed, p.count, 1, 0);
        tleg_layer_put(&at, p.site, p.bias, values);
        free(values);
    }
    tleg_layer_view(layout, &config, memory, layer);
    return memory;
}

static void a_pass_that_keeps_gives_the_bits_of_one_that_does_not(void **state) {
    (void)state;
    const struct tleg_block_shape shape = tleg_block_shape_make(&config, BATCH, TOKENS, TLEG_F32);
    const size_t count = BATCH * TOKENS * DIM;
    struct tleg_layer_layout layout;
    struct tleg_layer layer;
    struct tleg_block_places places;
    struct tleg_kept kept;
    char *weights = make_layer(&layout, &layer);
    float *x = support_values(77, count, 1, 0), *plain = floats(count), *keeping = floats(count);
    float *activations = floats(tleg_block_activations(exec.kernels, &shape)), *memory = floats(tleg_kept_floats(&shape));
    tleg_block_place(exec.kernels, &shape, activations, plain, &places);
    tleg_block_pass(&exec, &shape, &layer, (struct tleg_branch_scales){0}, x, &places, plain);
    tleg_kept_place(&shape, memory, &kept);
    memcpy(kept.x, x, count * sizeof *x);
    tleg_block_keep(&exec, &shape, &layer, (struct tleg_branch_scales){0}, &kept, keeping);
    assert_memory_equal(plain, keeping, count * sizeof *plain);
    assert_memory_equal(kept.x, x, count * sizeof *x);
    free(memory);
    free(activations);
    free(keeping);
    free(plain);
    free(x);
    free(weights);
}

static void a_branch_that_is_scaled_by_0_is_left_out(void **state) {
    (void)state;
    const struct tleg_block_shape shape = tleg_block_shape_make(&config, BATCH, TOKENS, TLEG_F32);
    const size_t count = BATCH * TOKENS * DIM;
    const float none[BATCH] = {0};
    struct tleg_layer_layout layout;
    struct tleg_layer layer;
    struct tleg_kept kept;
    char *weights = make_layer(&layout, &layer);
    float *memory = floats(tleg_kept_floats(&shape)), *y = floats(count), *x = support_values(78, count, 1, 0);
    tleg_kept_place(&shape, memory, &kept);
    memcpy(kept.x, x, count * sizeof *x);
    tleg_block_keep(&exec, &shape, &layer, (struct tleg_branch_scales){.attention = none, .mlp = none}, &kept, y);
    assert_memory_equal(y, x, count * sizeof *x);
    free(x);
    free(y);
    free(memory);
    free(weights);
}

/* Class token, then registers, then patches, each plus its own row of the position embedding; patches checked against sums in
 * double. */
static void tokens_stand_before_the_patches_in_their_order(void **state) {
    (void)state;
    enum { GRID = 2, PREFIX = 3, ALL = PREFIX + GRID * GRID, PATCH = 4, WIDTH = 3 * PATCH * PATCH, SIDE = GRID * PATCH };
    assert_int_equal(tleg_config_tokens(&config), ALL);
    float *cls = support_values(1, DIM, 1, 0), *registers = support_values(2, 2 * DIM, 1, 0);
    float *pos = support_values(3, ALL * DIM, 1, 0), *w = support_values(4, DIM * WIDTH, 1, 0);
    float *image = support_values(5, 3 * SIDE * SIDE, 1, 0), *x = floats(ALL * DIM);
    float *packed = floats(tleg_packed_count(exec.kernels, TLEG_F32, DIM, WIDTH));
    tleg_pack(exec.kernels, TLEG_F32, DIM, WIDTH, w, packed);
    const struct tleg_outer_weights outer = {
        .patch = {.weight = {.n = DIM, .k = WIDTH, .basis = tleg_basis_one(packed), .stored = TLEG_F32, .rounded = TLEG_F32}},
        .pos = pos,
        .cls = cls,
        .registers = registers};
    tleg_classifier_ends.embed(&exec, &config, &outer, image, 1, x);
    for (int i = 0; i < DIM; i++) {
        assert_true(x[i] == cls[i] + pos[i]);
        assert_true(x[DIM + i] == registers[i] + pos[DIM + i]);
        assert_true(x[2 * DIM + i] == registers[DIM + i] + pos[2 * DIM + i]);
    }
    for (int t = 0; t < GRID * GRID; t++)
        for (int i = 0; i < DIM; i++) {
            const int row = PREFIX + t;
            double sum = (double)pos[row * DIM + i];
            for (int k = 0; k < WIDTH; k++) {
                const int channel = k / (PATCH * PATCH), y = t / GRID * PATCH + k / PATCH % PATCH;
                sum += (double)w[i * WIDTH + k] * (double)image[(channel * SIDE + y) * SIDE + t % GRID * PATCH + k % PATCH];
            }
            assert_true((double)x[row * DIM + i] - sum < 1e-4 && sum - (double)x[row * DIM + i] < 1e-4);
        }
    float *const done[] = {cls, registers, pos, w, image, x, packed};
    for (size_t i = 0; i < sizeof done / sizeof *done; i++)
        free(done[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pass_that_keeps_gives_the_bits_of_one_that_does_not),
        cmocka_unit_test(a_branch_that_is_scaled_by_0_is_left_out),
        cmocka_unit_test(tokens_stand_before_the_patches_in_their_order),
    };
    return cmocka_run_group_tests(tests, make_exec, free_exec);
}
