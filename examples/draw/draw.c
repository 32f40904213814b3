/* Pictures within so many milliseconds: measures what a layer takes on this machine, goes as deep as the time allows, and draws
 * eight pictures of a label, one below the other. What an app does that shall draw on any device.
 *
 *     cc draw.c $(pkg-config --cflags --libs tleg) -o draw
 *     ./draw generator.safetensors LABEL MILLISECONDS pictures.pgm */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/generate.h>
#include <tleg/tleg.h>

enum { PICTURES = 8, STEPS = 20, FEWEST_STEPS = 8 };
static const double guidance = 2; /* each step asks twice for each picture */

static void check(tleg_status status, const char *text) {
    if (status != TLEG_OK) {
        fprintf(stderr, "%s: %s\n", tleg_status_name(status), text);
        exit(1);
    }
}

/* A label by its name or number. */
static int64_t find_label(const tleg_expander *expander, const tleg_config *config, const char *word) {
    for (int32_t i = 0; i < config->label_count; i++)
        if (strcmp(tleg_expander_get_label(expander, i), word) == 0)
            return i;
    char *end;
    const long number = strtol(word, &end, 10);
    if (*word == '\0' || *end != '\0' || number < 0 || number >= config->classes) {
        fprintf(stderr, "%s: no label; there are 0 to %d\n", word, (int)config->classes - 1);
        exit(2);
    }
    return number;
}

/* The deepest of the depths that were learned with which STEPS steps fit; fewer steps where even the least is too slow. */
static int32_t choose(tleg_context *context, const tleg_expander *expander, const tleg_config *config, double ms,
                      int32_t *steps) {
    tleg_cost cost = {.struct_size = sizeof cost};
    static const int32_t usual[] = {4, 6, 8, 12}; /* of a file that does not say what was learned */
    const int32_t *depths = config->depth_count > 0 ? config->depths : usual;
    int32_t at = config->depth_count > 0 ? config->depth_count - 1 : 3;
    check(tleg_expander_get_cost(context, expander, depths[0], 2 * PICTURES, 1, &cost), tleg_context_get_error(context));
    while (at > 0 && STEPS * (cost.ms_fixed + depths[at] * cost.ms_per_layer) > ms)
        at--;
    const int32_t depth = depths[at];
    *steps = STEPS;
    while (*steps > FEWEST_STEPS && *steps * (cost.ms_fixed + depth * cost.ms_per_layer) > ms)
        --*steps;
    const double told = *steps * (cost.ms_fixed + depth * cost.ms_per_layer);
    if (told > ms) {
        fprintf(stderr, "%.0f ms are too few: depth %d and %d steps take about %.0f\n", ms, (int)depth, (int)*steps, told);
        exit(1);
    }
    printf("a step of %d pictures takes %.1f ms and %.2f ms a layer: depth %d, %d steps, about %.0f ms\n", PICTURES,
           cost.ms_fixed, cost.ms_per_layer, (int)depth, (int)*steps, told);
    return depth;
}

/* Normalised numbers as grey (P5) or colour (P6) bytes. */
static void write_pictures(const char *path, const tleg_config *config, const float *images) {
    const size_t side = (size_t)config->image_size, plane = side * side, channels = (size_t)config->channels;
    FILE *file = fopen(path, "wb");
    if (!file) {
        perror(path);
        exit(1);
    }
    fprintf(file, "P%d\n%zu %zu\n255\n", channels == 1 ? 5 : 6, side, side * PICTURES);
    for (size_t p = 0; p < PICTURES * plane; p++)
        for (size_t c = 0; c < channels; c++) {
            const double number = images[(p / plane * channels + c) * plane + p % plane];
            const double value = 255 * (number * config->std[c] + config->mean[c]);
            fputc(value < 0 ? 0 : value > 255 ? 255 : (int)(value + 0.5), file);
        }
    const int failed = ferror(file);
    if (fclose(file) != 0 || failed) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: draw GENE LABEL MILLISECONDS OUT.pgm\n");
        return 2;
    }
    tleg_context *context;
    tleg_expander *expander;
    tleg_generator *generator;
    tleg_config config = {.struct_size = sizeof config};
    check(tleg_context_create(NULL, &context), "no context");
    check(tleg_expander_open(context, argv[1], NULL, NULL, &expander), tleg_context_get_error(context));
    check(tleg_expander_get_info(context, expander, &config), "no configuration");
    if (config.kind != TLEG_KIND_DIT || (config.channels != 1 && config.channels != 3)) {
        fprintf(stderr, "%s: expected a generator of pictures\n", argv[1]);
        return 1;
    }
    int64_t labels[PICTURES];
    for (int i = 0; i < PICTURES; i++)
        labels[i] = find_label(expander, &config, argv[2]);
    tleg_sample_options options = {
        .struct_size = sizeof options, .count = PICTURES, .guidance = guidance, .seed = 1, .labels = labels};
    const int32_t depth = choose(context, expander, &config, atof(argv[3]), &options.steps);
    const tleg_generator_options how = {.struct_size = sizeof how, .batch = 2 * PICTURES};
    check(tleg_generator_create_elastic(context, expander, depth, &how, &generator), tleg_context_get_error(context));
    const size_t floats = PICTURES * (size_t)config.channels * (size_t)config.image_size * (size_t)config.image_size;
    float *images = malloc(floats * sizeof *images);
    if (!images)
        check(TLEG_ERROR_MEMORY, "no memory for the pictures");
    check(tleg_generator_sample(generator, &options, images, floats), tleg_generator_get_error(generator));
    write_pictures(argv[4], &config, images);
    printf("%s: %d pictures of %s\n", argv[4], PICTURES, argv[2]);
    free(images);
    tleg_generator_free(generator);
    tleg_expander_free(expander);
    tleg_context_free(context);
    return 0;
}
