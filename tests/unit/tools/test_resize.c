/* Prepared images at another size. Compiled with tools/pictures/resize.c. */
#include "support/support.h"

#include "pictures/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* tests/fixtures/resize.py has the same list. */
static const int32_t cases[][4] = {{1, 1, 3, 5},   {5, 7, 3, 4},  {4, 4, 9, 14}, {8, 8, 32, 32},
                                   {13, 6, 6, 13}, {17, 3, 2, 3}, {6, 6, 6, 6}};
static const tleg_interpolation filters[] = {TLEG_INTERPOLATION_BICUBIC, TLEG_INTERPOLATION_BILINEAR, TLEG_INTERPOLATION_BOX};

static void resize(const int32_t sides[4], tleg_interpolation filter, float *out) {
    float plane[128];
    for (int32_t i = 0; i < sides[0] * sides[1]; i++)
        plane[i] = (float)((double)(((uint64_t)i * 2654435761 + 12345) % (1 << 24)) / (1 << 24) - 0.5);
    struct resize *plan = resize_start(sides[0], sides[1], sides[2], sides[3], filter);
    assert_non_null(plan);
    resize_plane(plan, plane, out);
    resize_end(plan);
}

static void planes_are_pillows(void **state) {
    (void)state;
    size_t bytes = 0, at = 0;
    unsigned char *file = support_read_file(TLEG_FIXTURES "/resize.bin", &bytes);
    float out[1024], expected;
    for (size_t f = 0; f < sizeof filters / sizeof filters[0]; f++)
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            resize(cases[i], filters[f], out);
            for (int32_t k = 0; k < cases[i][2] * cases[i][3]; k++, at += sizeof expected) {
                assert_true(at + sizeof expected <= bytes);
                memcpy(&expected, file + at, sizeof expected);
                if (fabs((double)out[k] - (double)expected) > 1e-6)
                    fail_msg("filter %d, case %d, number %d: %.9g; Pillow's is %.9g", (int)filters[f], (int)i, (int)k,
                             (double)out[k], (double)expected);
            }
        }
    assert_int_equal(at, bytes);
    free(file);
}

static void the_same_size_changes_nothing(void **state) {
    (void)state;
    float out[36];
    resize((const int32_t[4]){6, 6, 6, 6}, TLEG_INTERPOLATION_BICUBIC, out);
    for (int32_t i = 0; i < 36; i++)
        assert_float_equal(out[i], (float)((double)(((uint64_t)i * 2654435761 + 12345) % (1 << 24)) / (1 << 24) - 0.5), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(planes_are_pillows), cmocka_unit_test(the_same_size_changes_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
