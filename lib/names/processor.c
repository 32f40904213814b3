/* preprocessor_config.json, or the image processor of a processor_config.json: how what it names prepares pictures. */
#include "names/beside.h"

#include <math.h>
#include <string.h>

/* Image processors of transformers, by what they do where preprocessor_config.json does not say it: their names ("ViT" of
 * ViTImageProcessor and ViTFeatureExtractor) and the kinds of models whose they are. */
enum processor {
    LIKE_VIT,    /* a size of one number is that of both sides; bilinear, all others bicubic */
    LIKE_BEIT,   /* of both sides */
    LIKE_DEIT,   /* of both sides, and the centre is cropped */
    LIKE_CLIP,   /* of the shorter side, and the centre is cropped */
    LIKE_SIGLIP, /* of the shorter side */
    UNKNOWN
};
static const char *const processors[] = {"ViT DINOv3ViT vit vit_mae ijepa", "Beit DPT GotOcr2 beit data2vec-vision dpt",
                                         "DeiT deit", "CLIP ChineseCLIP Bit clip dinov2", "Siglip siglip"};

/* The model_type of a config.json beside it, or "". */
static tleg_status model_type(const struct tleg_beside *reader, char out[TLEG_BESIDE_WORD]) {
    static const char name[] = "config.json";
    const char *text = tleg_file_get_metadata(reader->file, name);
    struct tleg_json json;
    if (!text)
        return TLEG_OK;
    const tleg_status status = tleg_beside_parse(reader, name, text, &json);
    if (status != TLEG_OK)
        return status;
    const struct tleg_beside beside = {.json = &json};
    tleg_beside_word(&beside, TLEG_BESIDE_ROOT, "model_type", out);
    tleg_json_free(&json);
    return TLEG_OK;
}

/* By the text, or else by the kind of the model. */
static tleg_status find_processor(const struct tleg_beside *reader, enum processor *processor) {
    char name[TLEG_BESIDE_WORD], *end;
    tleg_status status = TLEG_OK;
    if (!*tleg_beside_word(reader, reader->root, "image_processor_type", name) &&
        !*tleg_beside_word(reader, reader->root, "feature_extractor_type", name))
        status = model_type(reader, name);
    if ((end = strstr(name, "ImageProcessor")) != NULL || (end = strstr(name, "FeatureExtractor")) != NULL)
        *end = '\0';
    *processor = LIKE_VIT;
    while (*processor < UNKNOWN && !tleg_list_has(processors[*processor], name, strlen(name)))
        ++*processor;
    return status;
}

/* A size: {"shortest_edge": n}, which is its height and width then; {"height": n, "width": n} or [n, n], where both are said;
 * or a number, which is either. 0 when it is absent. */
struct size {
    int64_t height, width;
    bool both;
};

static tleg_status read_size(const struct tleg_beside *reader, const char *key, bool square, struct size *size) {
    const size_t token = tleg_beside_member(reader, reader->root, key);
    const bool plain = tleg_json_kind(reader->json, token) == TLEG_JSON_NUMBER;
    int64_t shortest = 0;
    *size = (struct size){0};
    if (!plain && tleg_beside_pair(reader, token, &size->height, &size->width)) {
        size->both = true;
        return TLEG_OK;
    }
    tleg_status status = plain ? tleg_beside_integer(reader, reader->root, key, &shortest)
                               : tleg_beside_integer(reader, token, "shortest_edge", &shortest);
    if (status == TLEG_OK)
        status = tleg_beside_integer(reader, token, "height", &size->height);
    if (status == TLEG_OK)
        status = tleg_beside_integer(reader, token, "width", &size->width);
    size->both = size->height > 0 && size->width > 0;
    if (status == TLEG_OK && !size->both && (size->height > 0 || size->width > 0))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s: expected a height and a width, found one of them",
                         reader->label, reader->name, key);
    if (!size->both)
        size->height = size->width = shortest;
    size->both = size->both || (plain && square);
    return status;
}

/* The share by which a picture of `size` pixels is resized to `resized` first: its floor(size / share) must be that again. */
static double share(double size, double resized) {
    const double exact = size / resized;
    return floor(size / exact) == resized ? exact : size / (resized + 0.25);
}

/* A processor may make pictures of another size than positions were learned for, which some models' positions follow. Said
 * once. */
static void note_size(const struct tleg_beside *reader, int64_t pixels) {
    const int64_t image = reader->facts->image;
    if (!reader->text.out && image > 0 && pixels != image)
        tleg_log(reader->context,
                 "%s: %s: pictures of %lld pixels are made at %lld, as the positions are, unless image_size (--image) says the "
                 "former",
                 reader->label, reader->name, (long long)pixels, (long long)image);
}

static tleg_status read_fit(struct tleg_beside *reader, enum processor processor) {
    struct size size, crop;
    tleg_status status = read_size(reader, "size", processor <= LIKE_DEIT, &size);
    if (status == TLEG_OK)
        status = read_size(reader, "crop_size", true, &crop);
    if (status != TLEG_OK || tleg_beside_is(reader, reader->root, "do_resize", TLEG_JSON_FALSE) || size.height == 0)
        return status;
    const bool crops = tleg_beside_has(reader, tleg_beside_member(reader, reader->root, "do_center_crop"))
                           ? tleg_beside_is(reader, reader->root, "do_center_crop", TLEG_JSON_TRUE)
                           : processor == LIKE_DEIT || processor == LIKE_CLIP;
    const bool cropped = crops && crop.height > 0;
    if (cropped && (crop.height > size.height || crop.width > size.width))
        return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED, "%s: %s: crop_size is %lld, more than the size, %lld",
                         reader->label, reader->name, (long long)crop.height, (long long)size.height);
    note_size(reader, cropped ? crop.height : size.height);
    const double kept = cropped ? share((double)crop.height, (double)size.height) : 1;
    const int64_t width = cropped ? crop.width : size.width;
    if (cropped && floor((double)width / kept) != (double)size.width)
        return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED,
                         "%s: %s: crop_size keeps another share of the width than of the height", reader->label, reader->name);
    const bool odd = cropped && ((size.height - crop.height) | (size.width - crop.width)) & 1;
    tleg_beside_put(reader, "tleg.fit", !size.both ? "crop_floor" : odd ? "squash_floor" : "squash");
    tleg_beside_put_number(reader, "tleg.crop", kept);
    return TLEG_OK;
}

/* By the numbers that PIL gives its filters. */
static tleg_status read_filter(struct tleg_beside *reader, enum processor processor) {
    static const char resamplers[][9] = {"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming", "unknown"};
    int64_t filter = processor == LIKE_VIT ? 2 : processor == UNKNOWN ? -1 : 3;
    const tleg_status status = tleg_beside_integer(reader, reader->root, "resample", &filter);
    if (status == TLEG_OK && filter >= 0)
        tleg_beside_put(reader, "tleg.interpolation", resamplers[filter < 6 ? filter : 6]);
    return status;
}

/* What is taken of a processor that is not known here, or where nothing says which it is and what it does is not said either.
 * Said once, while the rules are measured. */
static void note_unknown(const struct tleg_beside *reader) {
    const bool named = tleg_beside_is(reader, reader->root, "image_processor_type", TLEG_JSON_STRING),
               size = tleg_beside_is(reader, reader->root, "size", TLEG_JSON_NUMBER),
               filter = !tleg_beside_has(reader, tleg_beside_member(reader, reader->root, "resample"));
    if (reader->text.out || tleg_beside_is(reader, reader->root, "do_resize", TLEG_JSON_FALSE) || (!named && !size && !filter))
        return;
    tleg_log(reader->context, "%s: %s: its image processor is not known here: taken as it stands%s%s", reader->label,
             reader->name, size ? ", size as the shorter side" : "", filter ? ", resample as bicubic" : "");
}

/* The geometry: the shape, the crop and the filter. */
static tleg_status read_resizing(struct tleg_beside *reader) {
    enum processor processor;
    tleg_status status = find_processor(reader, &processor);
    if (status == TLEG_OK && processor == UNKNOWN)
        note_unknown(reader);
    if (status == TLEG_OK)
        status = read_fit(reader, processor);
    return status == TLEG_OK ? read_filter(reader, processor) : status;
}

tleg_status tleg_beside_pictures(struct tleg_beside *reader) {
    double factor = 1.0 / 255;
    bool found;
    tleg_status status = tleg_beside_number(reader, reader->root, "rescale_factor", &found, &factor);
    factor = tleg_beside_is(reader, reader->root, "do_rescale", TLEG_JSON_FALSE) ? 255
             : fabs(factor * 255 - 1) < 1e-6                                     ? 1
                                                                                 : factor * 255;
    if (status == TLEG_OK && !(factor > 0))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: rescale_factor: expected a number above 0", reader->label,
                         reader->name);
    if (status == TLEG_OK && tleg_beside_is(reader, reader->root, "do_normalize", TLEG_JSON_FALSE)) {
        tleg_beside_put(reader, "tleg.mean", "0,0,0");
        tleg_text_put(&reader->text, "tleg.std = ");
        for (int k = 0; k < 3; k++) {
            char text[TLEG_NUMBER_TEXT];
            tleg_number_format(1 / factor, text);
            tleg_text_put(&reader->text, k ? "," : "");
            tleg_text_put(&reader->text, text);
        }
        tleg_text_byte(&reader->text, '\n');
    } else if (status == TLEG_OK) {
        status = tleg_beside_pass_colours(reader, reader->root, "image_mean", "image_std", factor);
    }
    return status == TLEG_OK ? read_resizing(reader) : status;
}
