/* Opens a learngene, expands it to a depth, and classifies one picture: a binary PPM of any size ("P6 W H 255").
 *
 *     cc classify.c $(pkg-config --cflags --libs tleg) -o classify
 *     ./classify gene.safetensors 6 picture.ppm */
#include <stdio.h>
#include <stdlib.h>
#include <tleg/tleg.h>

static void check(tleg_status status, const char *text) {
    if (status != TLEG_OK) {
        fprintf(stderr, "%s: %s\n", tleg_status_name(status), text);
        exit(1);
    }
}

/* Reads a binary PPM; `pixels` is the caller's to free. */
static tleg_image read_ppm(const char *path) {
    tleg_image image = {.struct_size = sizeof image, .layout = TLEG_PIXELS_RGB};
    int most = 0;
    FILE *file = fopen(path, "rb");
    if (!file || fscanf(file, "P6 %d %d %d", &image.width, &image.height, &most) != 3 || most != 255 || image.width < 1 ||
        image.width > 20000 || image.height < 1 || image.height > 20000)
        check(TLEG_ERROR_FORMAT, "no binary PPM picture");
    fgetc(file); /* the one blank before the pixels */
    size_t bytes = (size_t)image.width * (size_t)image.height * 3;
    unsigned char *pixels = malloc(bytes);
    if (!pixels || fread(pixels, 1, bytes, file) != bytes)
        check(TLEG_ERROR_FORMAT, "the picture is cut short");
    fclose(file);
    image.pixels = pixels;
    return image;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: classify GENE DEPTH PICTURE.ppm\n");
        return 2;
    }
    tleg_context *context;
    tleg_learngene *gene;
    tleg_expander *expander;
    tleg_model *model;
    tleg_session *session;
    tleg_config config = {.struct_size = sizeof config};

    check(tleg_context_create(NULL, &context), "no context");
    check(tleg_learngene_open(context, argv[1], NULL, &gene), tleg_context_get_error(context));
    check(tleg_expander_create(context, gene, NULL, &expander), tleg_context_get_error(context));
    check(tleg_expander_expand(context, expander, atoi(argv[2]), &model), tleg_context_get_error(context));
    check(tleg_session_create(context, model, NULL, &session), tleg_context_get_error(context));
    check(tleg_model_get_info(context, model, &config), "no configuration");

    tleg_image image = read_ppm(argv[3]);
    tleg_session_info info = {.struct_size = sizeof info};
    check(tleg_session_get_info(context, session, &info), tleg_context_get_error(context));
    size_t floats = (size_t)info.image_floats;
    float *input = malloc(floats * sizeof *input), *logits = malloc((size_t)config.classes * sizeof *logits);
    if (!input || !logits)
        check(TLEG_ERROR_MEMORY, "no memory for the picture");
    tleg_preparation *preparation;
    check(tleg_model_copy_preparation(context, model, &preparation), tleg_context_get_error(context));
    check(tleg_image_prepare(context, preparation, &image, input, floats), tleg_context_get_error(context));
    check(tleg_session_run(session, 1, input, floats, logits, (size_t)config.classes, NULL, 0),
          tleg_session_get_error(session));

    int best = 0;
    for (int c = 1; c < config.classes; c++)
        if (logits[c] > logits[best])
            best = c;
    printf("%s\n", config.label_count ? config.labels[best] : "(a class without a name)");

    free(logits);
    free(input);
    free((void *)image.pixels);
    tleg_preparation_free(preparation);
    tleg_session_free(session);
    tleg_model_free(model);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    tleg_context_free(context);
    return 0;
}
