/* The position embedding at another image size: an expanded file is the same as PyTorch's, this tensor too. */
#include "kernels/kernels.h"
#include "support/support.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 1, DIM = 97 };

/* Written by tests/fixtures/resample.py: grids that shrink and grow, by whole factors and by others, also those in which halves
 * of the last bit are frequent. */
static const struct {
    int64_t old, grid;
    uint64_t hash; /* of the resampled rows, the prefix among them */
} torch_says[] = {
    {1, 4, UINT64_C(0xb3175149b055097b)},  {2, 3, UINT64_C(0xb5264af769d71e17)},   {2, 7, UINT64_C(0xb1fe3e6a8e158522)},
    {2, 9, UINT64_C(0x5c6c88f7f11f7b72)},  {3, 9, UINT64_C(0x08496acf55ec34cc)},   {4, 12, UINT64_C(0x3369729a24e0ec93)},
    {5, 7, UINT64_C(0x7ed27566dd9833b4)},  {6, 14, UINT64_C(0x1d1e064a2cef2a7d)},  {9, 5, UINT64_C(0xce8677ac3b0aa5a9)},
    {10, 6, UINT64_C(0xd70b80c6f033efa7)}, {11, 3, UINT64_C(0x873b5c1c6a42b342)},  {13, 5, UINT64_C(0xceabc8956f644b9b)},
    {14, 6, UINT64_C(0xdc789d8c0afab41e)}, {14, 24, UINT64_C(0x29c055faf4061735)}, {24, 14, UINT64_C(0x441e41fbe77f4153)},
};

/* The script's values. */
static float *values(int64_t count) {
    float *v = malloc((size_t)count * sizeof *v);
    assert_non_null(v);
    for (int64_t i = 0; i < count; i++) {
        double k = (double)(((uint64_t)i * 2654435761 + 12345) % (1 << 24));
        v[i] = (float)ldexp(k / (1 << 24) - 0.5, -(int)(i % 5));
    }
    return v;
}

/* Says which pixel differs first from what the script wrote, of the case whose first pixel is number `first` there. */
static void fail_at_the_pixel(int64_t old, int64_t grid, size_t first, const float *out) {
    size_t bytes = 0;
    unsigned char *pixels = support_read_file(TLEG_FIXTURES "/resample.bin", &bytes);
    for (int64_t i = 0; i < grid * grid; i++) {
        struct {
            uint32_t hash;
            float value;
        } torch;
        const float *pixel = out + (PREFIX + i) * DIM;
        size_t at = (first + (size_t)i) * sizeof torch;
        assert_true(at + sizeof torch <= bytes);
        memcpy(&torch, pixels + at, sizeof torch);
        if ((uint32_t)support_fnv(pixel, DIM * sizeof *pixel) != torch.hash) {
            free(pixels);
            fail_msg("from %d to %d: pixel (%d, %d) begins with %.9g, torch's with %.9g, or they differ further on", (int)old,
                     (int)grid, (int)(i / grid), (int)(i % grid), (double)pixel[0], (double)torch.value);
        }
    }
    free(pixels);
    fail_msg("from %d to %d: the rows before the grid differ", (int)old, (int)grid);
}

static void resampled_rows_equal_torch_to_the_bit(void **state) {
    (void)state;
    size_t pixels = 0;
    for (size_t i = 0; i < sizeof torch_says / sizeof torch_says[0]; i++) {
        int64_t old = torch_says[i].old, grid = torch_says[i].grid, count = (PREFIX + grid * grid) * DIM;
        float *in = values((PREFIX + old * old) * DIM), *out = values(count);
        tleg_resample_grid(
            &(struct tleg_resampling){
                .prefix = PREFIX, .dim = DIM, .from = {(int32_t)old, (int32_t)old}, .to = {(int32_t)grid, (int32_t)grid}},
            in, out);
        if (support_fnv(out, (size_t)count * sizeof *out) != torch_says[i].hash) {
            fail_at_the_pixel(old, grid, pixels, out);
        }
        pixels += (size_t)(grid * grid);
        free(in);
        free(out);
    }
}

/* Records of resample_shapes.bin: five numbers, then what torch gives in f32. */
static void any_grids_are_near_torchs_with_and_without_antialias(void **state) {
    (void)state;
    enum { CHANNELS = 3, RECORDS = 18 };
    size_t bytes = 0, at = 0;
    unsigned char *file = support_read_file(TLEG_FIXTURES "/resample_shapes.bin", &bytes);
    int records = 0;
    for (; at < bytes; records++) {
        int32_t head[5];
        assert_true(at + sizeof head <= bytes);
        memcpy(head, file + at, sizeof head);
        at += sizeof head;
        const struct tleg_resampling how = {
            .dim = CHANNELS, .from = {head[0], head[1]}, .to = {head[2], head[3]}, .antialias = head[4] == 1};
        const int64_t count = tleg_extent_area(how.to) * CHANNELS;
        float *in = values(tleg_extent_area(how.from) * CHANNELS), *out = values(count), *want = values(count);
        assert_true(at + (size_t)count * sizeof *want <= bytes);
        memcpy(want, file + at, (size_t)count * sizeof *want);
        at += (size_t)count * sizeof *want;
        tleg_resample_grid(&how, in, out);
        for (int64_t i = 0; i < count; i++)
            if (!(fabsf(out[i] - want[i]) <= 1e-6F))
                fail_msg("%d x %d to %d x %d, antialias %d: number %d is %.9g, torch's %.9g", (int)head[0], (int)head[1],
                         (int)head[2], (int)head[3], (int)head[4], (int)i, (double)out[i], (double)want[i]);
        free(in);
        free(out);
        free(want);
    }
    assert_int_equal(records, RECORDS);
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resampled_rows_equal_torch_to_the_bit),
        cmocka_unit_test(any_grids_are_near_torchs_with_and_without_antialias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
