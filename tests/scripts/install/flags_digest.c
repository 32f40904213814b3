/* Prints, for each level of this machine, a digest of all results of a walk through every public call, and fails where what is
 * not a number passes for one: flags.sh compares the lines of builds.   flags_digest SCRATCH-DIRECTORY */
#include "contract/every_call.h"

#include <stdio.h>
#include <string.h>

enum { SIDE = 8, PIXELS = 3 * SIDE * SIDE, CLASSES = 3 };

static float not_a_number(void) {
    const uint32_t bits = 0x7FC00000u; /* NAN of a header may be folded away */
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static int is_not_finite(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return (bits & 0x7F800000u) == 0x7F800000u;
}

static int is_found(tleg_trainer *trainer, tleg_session *session) {
    float image[PIXELS], logits[CLASSES];
    const int64_t label = 1;
    const tleg_train_batch batch = {.struct_size = sizeof(batch), .size = 1, .images = image, .labels = &label};
    tleg_train_loss loss = {.struct_size = sizeof(loss)};
    for (int i = 0; i < PIXELS; i++)
        image[i] = (float)(i % 7) - 3;
    if (tleg_trainer_backward(trainer, &batch, &loss) != TLEG_OK ||
        tleg_trainer_update(trainer, (double)not_a_number()) == TLEG_OK)
        return 0;
    image[PIXELS / 2] = not_a_number();
    return tleg_trainer_backward(trainer, &batch, &loss) == TLEG_ERROR_NUMERIC &&
           tleg_session_run(session, 1, image, PIXELS, logits, CLASSES, NULL, 0) == TLEG_OK && is_not_finite(logits[0]);
}

static int what_is_not_a_number_is_found(tleg_context *context) {
    tleg_config config = {
        .struct_size = sizeof(config), .image_size = SIDE, .patch_size = 4, .dim = 16, .heads = 2, .classes = CLASSES};
    const tleg_trainer_options options = {.struct_size = sizeof(options), .batch = 1, .depth_least = 2};
    tleg_learngene *gene = NULL, *refused = NULL;
    tleg_expander *expander = NULL;
    tleg_session *session = NULL;
    tleg_trainer *trainer = NULL;
    int found = tleg_learngene_create(context, &config, 1, &gene) == TLEG_OK &&
                tleg_expander_create(context, gene, NULL, &expander) == TLEG_OK &&
                tleg_session_create_elastic(context, expander, 2, NULL, &session) == TLEG_OK &&
                tleg_trainer_create(context, gene, &options, &trainer) == TLEG_OK && is_found(trainer, session);
    config.crop = (double)not_a_number();
    found = found && tleg_learngene_create(context, &config, 1, &refused) == TLEG_ERROR_ARGUMENT;
    tleg_trainer_free(trainer);
    tleg_session_free(session);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    return found;
}

static int walk(const char *scratch, tleg_level level, const char *name) {
    struct visit visit = {.in_a_hurry = true};
    const tleg_context_options options = {.struct_size = sizeof(options), .level = level, .workers = 2};
    snprintf(visit.scratch, sizeof(visit.scratch), "%s/", scratch);
    if (tleg_context_create(&options, &visit.context) != TLEG_OK)
        return 1;
    tleg_status status = visit_all(&visit);
    if (status != TLEG_OK)
        printf("%s: '%s' ended with %s: %s\n", name, visit.at, tleg_status_name(status), tleg_context_get_error(visit.context));
    else if (!what_is_not_a_number_is_found(visit.context))
        printf("%s: what is not a number passes for one\n", name), status = TLEG_ERROR_NUMERIC;
    else
        printf("%s %016llx\n", name, (unsigned long long)visit.digest);
    visit_close(&visit);
    tleg_context_free(visit.context);
    return status != TLEG_OK;
}

int main(int argc, char **argv) {
    const char *name;
    tleg_level level;
    int failed = argc != 2 || strlen(argv[1]) + 2 > VISIT_TEXT;
    for (int32_t i = 0; !failed && (level = tleg_cpu_level(i, &name)) != 0; i++)
        failed = walk(argv[1], level, name);
    return failed;
}
