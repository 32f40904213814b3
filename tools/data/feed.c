/* A ring of batches, filled picture by picture by threads. */
#include "feed.h"

#include "base/context.h"
#include "base/extent.h"
#include "pictures/prepare.h"
#include "seeds.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD = 3 }; /* units that may be under way or ready while one is used */

/* A unit in the making. */
struct slot {
    struct feed_unit unit;
    size_t done; /* pictures */
};

struct worker {
    struct feed *feed;
    struct invocation call;
    tleg_context *context;
    pthread_t thread;
    bool running;
};

struct feed {
    struct feed_plan plan;
    const struct invocation *call;
    size_t numbers, classes, share; /* of a picture; of the model; pictures of a unit that this rank makes */
    size_t *order;                  /* (pictures of the part) */
    struct slot slots[AHEAD + 1];
    struct worker *workers;
    pthread_mutex_t lock; /* of everything below, and of the slots' counts */
    pthread_cond_t ready, room;
    int64_t unit; /* the next picture to make: its unit, and its place in there */
    size_t picture;
    int64_t used; /* units handed out and done with */
    bool handed;  /* one more is in use */
    bool stopping;
    tleg_preparation *preparation;
    tleg_preparation *fitted; /* of pictures that are held at the model's size */
};

static struct slot *slot_of(struct feed *feed, int64_t unit) {
    return &feed->slots[unit % (AHEAD + 1)];
}

/* Of a unit's first picture, among those of the epoch. */
static size_t place_of(const struct feed *feed, int64_t unit) {
    return (size_t)unit * feed->plan.batch + (size_t)feed->plan.rank * feed->share;
}

/* Pictures of a unit. */
static size_t count_of(const struct feed *feed, int64_t unit) {
    size_t first = place_of(feed, unit), all = feed->plan.part->count;
    size_t left = first < all ? all - first : 0;
    return left < feed->share ? left : feed->share;
}

/* ---- what cannot be used ---- */

static char no_memory[] = "out of memory"; /* in place of a text that there was no memory for */

static void note_error(struct feed_unit *unit, size_t i, const char *error) {
    unit->errors[i] = strdup(error);
    if (!unit->errors[i])
        unit->errors[i] = no_memory;
}

static const char *first_error(const struct feed_unit *unit) {
    for (size_t i = 0; i < unit->count; i++)
        if (unit->errors[i])
            return unit->errors[i];
    return NULL;
}

static void clear_errors(struct feed_unit *unit) {
    for (size_t i = 0; unit->errors && i < unit->count; i++) {
        if (unit->errors[i] != no_memory)
            free(unit->errors[i]);
        unit->errors[i] = NULL;
    }
}

/* ---- one picture ---- */

static void mirror(float *image, const tleg_config *config) {
    const struct extent size = extent_of_image(config);
    const size_t width = (size_t)size.width;
    for (size_t row = 0; row < (size_t)config->channels * (size_t)size.height; row++)
        for (size_t i = 0; i < width / 2; i++) {
            float *left = image + row * width + i, *right = image + row * width + width - 1 - i, kept = *left;
            *left = *right;
            *right = kept;
        }
}

/* The crop of small images, out of a padded picture, is for pictures of the model's own size; of others a random part is
 * scaled. */
static tleg_augment_options options_for(const struct feed_plan *plan, const tleg_image *image) {
    tleg_augment_options options = *plan->augment;
    const struct extent size = extent_of_image(plan->config);
    if (image->width != size.width || image->height != size.height)
        options.padding = 0;
    return options;
}

static tleg_status shape_picture(struct worker *worker, const tleg_image *image, bool fitted, uint64_t seed, float *out) {
    const struct feed_plan *plan = &worker->feed->plan;
    if (plan->augment) {
        const tleg_augment_options options = options_for(plan, image);
        return tleg_augment_image(worker->context, worker->feed->preparation, image, &options, seed, out,
                                  worker->feed->numbers);
    }
    const struct feed *feed = worker->feed;
    tleg_status status =
        tleg_image_prepare(worker->context, fitted ? feed->fitted : feed->preparation, image, out, feed->numbers);
    if (status == TLEG_OK && plan->flip > 0 && seed_uniform(seed) < plan->flip)
        mirror(out, plan->config);
    return status;
}

/* 0, or PICTURE_* with the reason. */
static int make_picture(struct worker *worker, size_t sample, uint64_t seed, float *out, char error[PICTURE_ERROR]) {
    const struct dataset *set = worker->feed->plan.part->set;
    struct picture own;
    tleg_image image;
    if (set->latents.file)
        return dataset_latent(set, worker->context, sample, out, error);
    int result = dataset_picture(set, sample, &image, &own, error);
    if (result != 0)
        return result;
    tleg_status status = shape_picture(worker, &image, set->samples[sample].fitted, seed, out);
    if (status != TLEG_OK)
        snprintf(error, PICTURE_ERROR, "%s: %s", set->samples[sample].file, tleg_context_get_error(worker->context));
    picture_free(&own);
    return status == TLEG_OK ? 0 : PICTURE_WANT; /* it was read: what fails now is not its fault */
}

/* The picture at a place of the epoch. 0, or PICTURE_*, noted. */
static int take_picture(struct worker *worker, size_t place, struct feed_unit *unit, size_t i) {
    const struct feed *feed = worker->feed;
    const struct feed_plan *plan = &feed->plan;
    size_t sample = plan->part->items[feed->order[place / (size_t)plan->repeats]];
    uint64_t seed = seed_of(plan->seed, SEED_PICTURE, (uint64_t)plan->epoch, place);
    float *out = unit->images + i * feed->numbers;
    char error[PICTURE_ERROR];
    int result = make_picture(worker, sample, seed, out, error);
    unit->labels[i] = plan->part->set->samples[sample].label;
    if (plan->logits)
        memcpy(unit->logits + i * feed->classes, plan->logits + sample * feed->classes, feed->classes * sizeof(float));
    if (result != 0) {
        memset(out, 0, feed->numbers * sizeof *out);
        note_error(unit, i, error);
    }
    return result;
}

static void mix(struct worker *worker, struct slot *slot, int64_t number) {
    const struct feed_plan *plan = &worker->feed->plan;
    struct feed_unit *unit = &slot->unit;
    uint64_t place = (uint64_t)number * (uint64_t)plan->ranks + (uint64_t)plan->rank;
    uint64_t seed = seed_of(plan->seed, SEED_MIX, (uint64_t)plan->epoch, place);
    if (tleg_augment_mix(worker->context, plan->mix, seed, (int64_t)unit->count, plan->config->image_size, unit->images,
                         unit->count * worker->feed->numbers, unit->labels, unit->targets,
                         unit->count * worker->feed->classes) != TLEG_OK)
        note_error(unit, 0, tleg_context_get_error(worker->context));
    unit->want = unit->errors[0];
}

/* ---- threads ---- */

/* Waits for a picture to make. False when there is none left. */
static bool take(struct feed *feed, int64_t *unit, size_t *picture) {
    while (!feed->stopping && feed->unit < feed->plan.end && feed->unit - feed->used > AHEAD)
        pthread_cond_wait(&feed->room, &feed->lock);
    if (feed->stopping || feed->unit >= feed->plan.end)
        return false;
    struct slot *slot = slot_of(feed, feed->unit);
    *unit = feed->unit;
    *picture = feed->picture++;
    if (*picture == 0) {
        clear_errors(&slot->unit);
        slot->unit.want = NULL;
        slot->unit.count = count_of(feed, feed->unit);
        slot->unit.place = place_of(feed, feed->unit);
        slot->unit.epoch = feed->plan.epoch;
        slot->done = 0;
    }
    if (feed->picture == slot->unit.count) {
        feed->picture = 0;
        feed->unit++;
    }
    return true;
}

/* Whoever makes the last picture of a unit mixes it. result: what take_picture said of this one. */
static void finish_picture(struct worker *worker, int64_t number, size_t picture, int result) {
    struct feed *feed = worker->feed;
    struct slot *slot = slot_of(feed, number);
    if (result == PICTURE_WANT)
        slot->unit.want = slot->unit.errors[picture];
    bool last = slot->done + 1 == slot->unit.count;
    if (last && feed->plan.mix && !first_error(&slot->unit)) {
        pthread_mutex_unlock(&feed->lock);
        mix(worker, slot, number);
        pthread_mutex_lock(&feed->lock);
    }
    slot->done++;
    if (last)
        pthread_cond_signal(&feed->ready);
}

static void *work(void *argument) {
    struct worker *worker = argument;
    struct feed *feed = worker->feed;
    int64_t number;
    size_t picture;
    pthread_mutex_lock(&feed->lock);
    while (take(feed, &number, &picture)) {
        pthread_mutex_unlock(&feed->lock);
        int result = take_picture(worker, place_of(feed, number) + picture, &slot_of(feed, number)->unit, picture);
        pthread_mutex_lock(&feed->lock);
        finish_picture(worker, number, picture, result);
    }
    pthread_mutex_unlock(&feed->lock);
    return NULL;
}

/* ---- the feed ---- */

static bool make_slots(struct feed *feed) {
    size_t share = feed->share, classes = feed->classes;
    if (feed->numbers > SIZE_MAX / sizeof(float) / share || classes > SIZE_MAX / sizeof(float) / share)
        return false;
    for (int i = 0; i <= AHEAD; i++) {
        struct feed_unit *unit = &feed->slots[i].unit;
        unit->images = malloc(share * feed->numbers * sizeof *unit->images);
        unit->labels = malloc(share * sizeof *unit->labels);
        unit->errors = calloc(share, sizeof *unit->errors);
        unit->targets = feed->plan.mix ? malloc(share * classes * sizeof *unit->targets) : NULL;
        unit->logits = feed->plan.logits ? malloc(share * classes * sizeof *unit->logits) : NULL;
        if (!unit->images || !unit->labels || !unit->errors || (feed->plan.mix && !unit->targets) ||
            (feed->plan.logits && !unit->logits))
            return false;
    }
    return true;
}

static bool make_order(struct feed *feed) {
    const struct feed_plan *plan = &feed->plan;
    size_t count = plan->part->count;
    feed->order = malloc((count + 1) * sizeof *feed->order);
    if (!feed->order)
        return false;
    for (size_t i = 0; i < count; i++)
        feed->order[i] = i;
    if (plan->shuffle)
        seed_shuffle(seed_of(plan->seed, SEED_ORDER, (uint64_t)plan->epoch, 0), feed->order, count);
    return true;
}

/* How pictures become the model's input; latents are. */
static bool make_preparations(struct feed *feed) {
    tleg_config whole = *feed->plan.config; /* nothing is left to crop */
    whole.crop = 1;
    if (feed->plan.part->set->latents.file)
        return true;
    if (prepare_as(feed->workers[0].context, feed->plan.config, &feed->preparation) == TLEG_OK &&
        prepare_as(feed->workers[0].context, &whole, &feed->fitted) == TLEG_OK)
        return true;
    tool_fail_context(feed->call, feed->workers[0].context);
    return false;
}

/* At least one thread must start. */
static bool start_workers(struct feed *feed) {
    int32_t count = feed->plan.loaders;
    bool any = false;
    for (int32_t i = 0; i < count; i++) {
        struct worker *worker = &feed->workers[i];
        worker->feed = feed;
        worker->call = *feed->call;
        worker->call.threads = 1;
        worker->context = tool_context(&worker->call);
        if (!worker->context)
            return false;
    }
    if (!make_preparations(feed))
        return false;
    for (int32_t i = 0; i < count; i++) {
        feed->workers[i].running = pthread_create(&feed->workers[i].thread, NULL, work, &feed->workers[i]) == 0;
        any |= feed->workers[i].running;
    }
    if (!any)
        tool_fail(feed->call, "no thread could be started to load images");
    return any;
}

struct feed *feed_start(const struct invocation *call, const struct feed_plan *plan) {
    struct feed *feed = calloc(1, sizeof *feed);
    if (!feed) {
        tool_fail_memory(call);
        return NULL;
    }
    feed->plan = *plan;
    feed->call = call;
    feed->numbers = prepare_numbers(plan->config);
    feed->classes = (size_t)plan->config->classes;
    feed->share = plan->batch / (size_t)plan->ranks;
    feed->unit = feed->used = plan->first;
    pthread_mutex_init(&feed->lock, NULL);
    pthread_cond_init(&feed->ready, NULL);
    pthread_cond_init(&feed->room, NULL);
    feed->workers = calloc((size_t)plan->loaders, sizeof *feed->workers);
    bool whole = feed->workers && make_order(feed) && make_slots(feed);
    if (!whole)
        tool_fail_memory(call);
    if (whole && start_workers(feed))
        return feed;
    feed_stop(feed);
    return NULL;
}

const struct feed_unit *feed_next(struct feed *feed) {
    const struct feed_unit *unit = NULL;
    pthread_mutex_lock(&feed->lock);
    if (feed->handed) {
        feed->used++;
        feed->handed = false;
        pthread_cond_broadcast(&feed->room);
    }
    if (feed->used < feed->plan.end) {
        struct slot *slot = slot_of(feed, feed->used);
        while (feed->unit == feed->used || slot->done < slot->unit.count)
            pthread_cond_wait(&feed->ready, &feed->lock);
        slot->unit.error = first_error(&slot->unit);
        unit = &slot->unit;
        feed->handed = true;
    }
    pthread_mutex_unlock(&feed->lock);
    return unit;
}

void feed_stop(struct feed *feed) {
    if (!feed)
        return;
    pthread_mutex_lock(&feed->lock);
    feed->stopping = true;
    pthread_cond_broadcast(&feed->room);
    pthread_mutex_unlock(&feed->lock);
    for (int32_t i = 0; feed->workers && i < feed->plan.loaders; i++) {
        if (feed->workers[i].running)
            pthread_join(feed->workers[i].thread, NULL);
        tleg_context_free(feed->workers[i].context);
    }
    for (int i = 0; i <= AHEAD; i++) {
        struct feed_unit *unit = &feed->slots[i].unit;
        free(unit->images);
        free(unit->labels);
        free(unit->targets);
        free(unit->logits);
        clear_errors(unit);
        free(unit->errors);
    }
    tleg_preparation_free(feed->preparation);
    tleg_preparation_free(feed->fitted);
    pthread_cond_destroy(&feed->room);
    pthread_cond_destroy(&feed->ready);
    pthread_mutex_destroy(&feed->lock);
    free(feed->workers);
    free(feed->order);
    free(feed);
}
