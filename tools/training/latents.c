/* Latents as data: what must fit together, and the scale at which they are learned. */
#include "private.h"

#include "base/latent_scale.h"

/* ---- options ---- */

static bool asks_for_other_pictures(const struct training_options *o) {
    return o->augment == AUGMENT_DEIT || o->augment == AUGMENT_LIGHT || o->flip > 0 || o->crop_scale >= 0 ||
           o->rand_augment > 0 || o->jitter > 0 || o->erase > 0;
}

static int check_options(const struct state *state) {
    const struct training_options *o = state->options;
    if (asks_for_other_pictures(o))
        return tool_misuse(
            state->call,
            "%s: latents are not augmented: leave out --augment, --flip and the like. A mirrored latent is not the "
            "latent of the mirrored picture: encode mirrored pictures too",
            o->data);
    if (o->exif || pictures_given(&o->pictures))
        return tool_misuse(
            state->call, "%s: --mean, --std, --crop, --interpolation, --fit and --exif are for pictures, not latents", o->data);
    return EXIT_DONE;
}

/* ---- the network ---- */

/* What pictures are not for. */
static int check_pictures(const struct state *state) {
    const struct source *source = &state->source;
    if (state->options->latent_scale > 0)
        return tool_misuse(state->call, "--latent-scale is for latents, and %s holds pictures", state->options->data);
    if (source_draws_latents(source))
        return tool_fail(state->call,
                         "%s draws latents of %d channels: expected --data FILE with \"latents\", found pictures in %s",
                         source->path, (int)source->config.channels, state->options->data);
    return EXIT_DONE;
}

static int check_shape(const struct state *state, const struct latents *latents, const char *path) {
    const tleg_config *config = &state->source.config;
    if (latents->channels == config->channels && latents->height == config->image_size && latents->width == config->image_size)
        return EXIT_DONE;
    return tool_fail(state->call, "%s: \"latents\": expected [N,%d,%d,%d] for %s, found [N,%d,%d,%d]", path,
                     (int)config->channels, (int)config->image_size, (int)config->image_size, state->source.path,
                     (int)latents->channels, (int)latents->height, (int)latents->width);
}

/* ---- the scale ---- */

/* As the call says, or the data, or what goes on learning; which would otherwise learn at another than it did. */
static int settle_scale(struct state *state) {
    const double asked = state->options->latent_scale, learned = state->source.latent_scale;
    struct latents *latents = &state->set.latents;
    latents->scale = asked > 0 ? asked : latents->said > 0 ? latents->said : learned > 0 ? learned : 1;
    if (asked > 0 || learned <= 0 || latents->scale == learned)
        return EXIT_DONE;
    return tool_fail(state->call,
                     "%s: its latents are to be multiplied by %g, and %s has learned at %g: expected the same; --latent-scale "
                     "chooses",
                     state->options->data, latents->scale, state->source.path, learned);
}

int training_check_latents(struct state *state) {
    if (!training_has_latents(state))
        return check_pictures(state);
    if (!training_draws(state))
        return tool_fail(
            state->call,
            "%s: expected pictures for %s, which is a classifier, found latents, which are for generators (tleg new "
            "--kind dit makes one)",
            state->options->data, state->source.path ? state->source.path : "what learns");
    int code = check_options(state);
    if (code == EXIT_DONE)
        code = check_shape(state, &state->set.latents, state->options->data);
    return code == EXIT_DONE ? settle_scale(state) : code;
}

int training_check_other_latents(struct state *state) {
    const struct training_options *options = state->options;
    const struct latents *latents = &state->set.latents;
    struct latents *other = &state->other.latents;
    if (!other->file != !latents->file)
        return tool_fail(state->call, "--val %s: expected %s, as --data is, found %s", options->val,
                         latents->file ? "latents" : "pictures", other->file ? "latents" : "pictures");
    if (!latents->file)
        return EXIT_DONE;
    if (state->other.named != state->set.named)
        return tool_fail(state->call, "--val %s: expected labels with%s names (\"tleg.labels\"), as --data has", options->val,
                         state->set.named ? "" : "out");
    other->scale = latents->scale;
    if (options->latent_scale <= 0 && other->said > 0 && other->said != latents->scale)
        return tool_fail(state->call, "--val %s: expected a scale of %g, as --data has, found %g: --latent-scale chooses",
                         options->val, latents->scale, other->said);
    return check_shape(state, other, options->val);
}

int training_note_spread(const struct state *state) {
    double spread = 0;
    char text[LATENT_SCALE_TEXT];
    if (!training_has_latents(state))
        return EXIT_DONE;
    const int code = part_spread_of_latents(state->call, &state->learned, &spread);
    if (code == EXIT_DONE && training_first(state) && spread > 0 && (spread < 0.5 || spread > 2))
        tool_note(state->call,
                  "%s: the standard deviation of latents is %.3g at a scale of %s; expected about 1, as noise has: "
                  "--latent-scale %.3g",
                  state->options->data, spread, latent_scale_text(state->set.latents.scale, text),
                  state->set.latents.scale / spread);
    return code;
}
