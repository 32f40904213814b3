/* What scores tell of the time that a picture takes. */
#include "support/support.h"

#include "data/scoring.h"

static void a_picture_that_cannot_be_read_takes_as_long_as_another(void **state) {
    const struct scoring scoring = {.images = 1, .skipped = 3, .depths = {{.ms = 8}, {.ms = 12}}};
    (void)state;
    assert_true(scoring_ms(&scoring, 0) == 2);
    assert_true(scoring_ms(&scoring, 1) == 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_that_cannot_be_read_takes_as_long_as_another),
    };
    return cmocka_run_group_tests_name("scoring", tests, NULL, NULL);
}
