/* The options of a training: their help, what goes together, and the recipe that follows from them. */
#include "private.h"

#include "source/depths.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct choice training_augments[] = {{"deit", AUGMENT_DEIT}, {"light", AUGMENT_LIGHT}, {"none", AUGMENT_NONE}, {NULL, 0}};
const struct choice training_recipes[] = {{"auto", RECIPE_AUTO}, {"deit", RECIPE_DEIT}, {"short", RECIPE_SHORT}, {NULL, 0}};
const struct choice training_keeps[] = {{"both", KEEP_BOTH}, {"best", KEEP_BEST}, {"last", KEEP_LAST}, {NULL, 0}};
const struct choice training_teacher_means[] = {
    {"logits", TLEG_TEACHER_MEAN_OVER_LOGITS}, {"images", TLEG_TEACHER_MEAN_OVER_IMAGES}, {NULL, 0}};
const struct choice training_dtypes[] = {{"f32", TLEG_F32}, {"bf16", TLEG_BF16}, {NULL, 0}};

const struct choice training_optimisers[] = {
    {"adamw", TLEG_OPTIMISER_ADAMW}, {"muon", TLEG_OPTIMISER_MUON}, {"sgd", TLEG_OPTIMISER_SGD}, {NULL, 0}};

/* ---- help ---- */

static const char help_data[] =
    "Data\n"
    "  --data DIR          a folder for each class with JPEG and PNG files in it and below; or CIFAR's binary files\n"
    "                      (*.bin, beside batches.meta.txt or fine_label_names.txt); or IDX files (*-images-idx3-ubyte\n"
    "                      and *-labels-idx1-ubyte)\n";
static const char help_latents[] =
    "  --data FILE         of a generator also latents: safetensors with \"latents\" f32, f16 or bf16 [N,C,H,W], perhaps\n"
    "                      \"labels\" i64 or i32 [N], and in its metadata \"tleg.labels\", a JSON array of their names. They\n"
    "                      are read as they are needed\n"
    "  --latent-scale S    what latents are multiplied by, for a spread of about 1, such as 0.18215 (\"latent_scale\" in the\n"
    "                      metadata of --data; or as the file to begin with has it; or 1). -o says it, and tleg\n"
    "                      generate divides by it\n";
static const char help_validation[] =
    "  --val DIR           other data to validate with after each epoch (of binary files: those named test or t10k)\n"
    "  --val-every N       instead: every N-th image of each class's sorted list, from the first on (--recorded's)\n";
static const char help_depths[] =
    "  --val-depths LIST   depths at which a learngene is validated, as 3,6,12 or 2-12 (the fixed one; or both ends and\n"
    "                      the middle); their scores are kept in -o\n";
static const char help_loading[] =
    "  --cache BYTES       decoded pictures to hold in memory (1G, and at most half of what limits, container and machine\n"
    "                      leave; 0: none); others are decoded each time\n"
    "  --loaders N         threads that decode and augment ahead (1); results do not depend on it\n"
    "  --skip-bad          read every image once before the first step, report those that cannot be read, and leave them\n"
    "                      out; --exif: apply EXIF orientation\n";
static const char help_teacher[] =
    "Teacher\n"
    "  --teacher MODEL     a model (or a learngene, with --teacher-depth N) that is run on each batch, after augmentation\n"
    "  --teacher-features  what the head learns to tell are the model's features, not its logits: from pictures alone, which\n"
    "                      may lie in DIR itself; their classes do not matter\n"
    "  --teacher-command C instead: a program, run by the shell (exec in front: in its place), that reads each batch and\n"
    "                      answers with logits over pipes; docs/teachers.md, and examples/teachers/serve.py for PyTorch;\n"
    "                      --teacher-timeout SECONDS: how long it may take to start, and to answer (600)\n";
static const char help_teaching[] =
    "  --teacher-logits F  instead: stored logits, safetensors with \"logits\" f32 [N,C] and in its metadata \"names\", a\n"
    "                      JSON array of N strings: CLASS/IMAGE.jpg below DIR, or FILE.bin:7 for the 8th of a binary file;\n"
    "                      columns in the order of DIR's classes: folders as sorted, or a file's numbers.\n"
    "                      They are those of whole pictures: use --augment none, with --flip if you like\n"
    "  --recorded FILE     instead: what --record or tleg record kept of the same data; pictures, batches and their order are\n"
    "                      as recorded, without options for them\n"
    "  --record FILE       keep what the teacher says of each picture, in f16, which this run then learns from too\n"
    "  --views N           draw order and pictures of N epochs, and repeat those: a teacher is asked, or was recorded, for\n"
    "                      N epochs only. What is learned from is then less varied\n"
    "  --alpha A           weight of the teacher's loss against the labels' (1 with a teacher, else 0); of a generator\n"
    "                      against the noise's: its teacher is another generator, --teacher MODEL\n"
    "  --label-drop P      of a generator: the share of labels that are dropped, for guidance later (0.1)\n"
    "  --tau T             temperature of the teacher's loss (1)\n"
    "  --teacher-mean M    what the teacher's loss is the mean over: logits (images and classes, as DeiT has it; with many\n"
    "                      classes an --alpha between 0 and 1 then leaves it little to say), or images (as Hinton has it: as\n"
    "                      large as the labels' loss) (logits)\n";
static const char help_steps[] =
    "Steps\n"
    "  --epochs E          passes over the data, of which --repeats 3 (--augment deit) shows a third each\n"
    "  --recipe auto       what holds where other options do not say. short, for runs of less than 10000 steps of 128:\n"
    "                      --augment light, --lr-absolute, --lr 1e-3, --drop-path 0, --batch 128, or 64 or 32 where there\n"
    "                      are less than 1000 steps, and --lr 1e-4 where its classes are the data's by then;\n"
    "                      a tenth of the steps warm-up; deit, for others: as below\n"
    "  --batch B           images computed at once (128); with --accumulate K a step takes K batches\n"
    "  --lr R              learning rate; by deit's recipe for a step of 512 images (5e-4), so that R * B * K / 512 is used;\n"
    "                      by that for short runs and for generators (1e-3), and with --lr-absolute, R itself\n"
    "  --warmup W          epochs in which the rate rises from 1e-6 (distill 5, or so few that it is at its peak in half of\n"
    "                      the run; tune 0); a cosine follows, with a new rate each epoch; --warmup-steps N: steps, and a\n"
    "                      new rate each step\n"
    "  --decay-epochs N    in place of the cosine a constant rate, which falls in a straight line in the last N epochs (0:\n"
    "                      never); each step has its rate\n"
    "  --lr-end R          the rate at the end (1e-5, or the peak if that is less; 0: the cosine falls to it)\n"
    "  --optimiser muon    the blocks' matrices by Muon, at AdamW's rates and with its decay, the rest by AdamW; fewer steps\n"
    "                      (adamw); sgd: with coupled weight decay, and rates of its own (--lr-absolute --lr 0.01);\n"
    "                      --momentum M: of Muon (0.95), of SGD (0.9), with --nesterov\n"
    "  --weight-decay D    of matrices, decoupled (0.05; of generators 0) but in SGD (5e-4); --clip N: largest norm of the\n"
    "                      gradient; --drop-path P: stochastic depth (distill 0, tune 0.1; of generators 0)\n"
    "  --ema D             validate and write the moving average of the weights with this decay, such as 0.999; in step t it\n"
    "                      is at most (1 + t) / (10 + t), so that the average spans a ninth of a short run; --ema-fixed: D\n"
    "                      from the first step on, as DeiT's, which needs long runs. 0: none (generators: 0.999)\n"
    "  --smoothing S       label smoothing (0.1)\n"
    "  --class-weights W   how much classes count in the labels' loss: balanced (each as much as any other, whatever it\n"
    "                      has of pictures), numbers in the order of the classes (1,2,0.5), or a file with lines of a\n"
    "                      class' name and its number\n"
    "  --freeze PARTS      what does not learn: backbone (all but the head), or some of embedding, blocks, norm1, norm2,\n"
    "                      qkv, proj, fc1, fc2, ls1, ls2, modulation (of all blocks), norm (the last), head;\n"
    "                      --freeze-layers N, of a model: the embedding and the first N blocks\n"
    "  --layer-decay D     of a model: each block learns at D times the rate of the next, such as 0.75 (1)\n"
    "  --recompute         keep only each block's input and compute the rest again: less memory, more time\n"
    "  --dtype bf16        mixed precision, where the processor multiplies bf16: the blocks' products take rounded\n"
    "                      numbers; everything else, and what is learned, stays f32 (f32)\n";
static const char help_pictures[] =
    "Pictures\n"
    "  --augment A         deit (of long runs): crop, flip, RandAugment, erasing, mixup or cutmix, each picture 3 times in a\n"
    "                      row; light (of short runs): crop and flip; none: as they are classified. --recorded's: as there.\n"
    "                      These change single settings:\n"
    "  --crop-scale S      smallest share of the area that a random crop keeps (0.08; pictures of the model's size, up to\n"
    "                      32 pixels, are padded by 4 instead)\n"
    "  --flip P  --rand-augment M (magnitude; 0: none)  --jitter J (without RandAugment)  --erase P\n"
    "  --mixup A  --cutmix A  --repeats N\n"
    "  --mean R,G,B --std R,G,B --crop C --interpolation I --fit F\n"
    "                      how pictures are prepared, in place of what the file to begin with says; what is written says it:\n"
    "                      colours on a scale of 0 to 1 (of a fresh gene ImageNet's), the share of the resized picture that\n"
    "                      the centre crop keeps; bicubic, bilinear or box; crop (the shorter side is resized) or squash,\n"
    "                      or crop_floor or squash_floor, whose centre is that of transformers\n";
static const char help_run[] =
    "Run\n"
    "  --seed S            seed of everything random (0): it gives the same bits at any --threads and --loaders\n"
    "  --data-seed S       of the order of pictures, their augmentation and mixing (that of --seed): so that one recording\n"
    "                      serves runs with several seeds\n"
    "  --log FILE          write JSON lines: the setup, each interval, each epoch. A file that is there must be empty, or the\n"
    "                      log of a run of the same -o, which begins anew; with --resume that of the checkpoint's run\n"
    "  --log-every N       steps in an interval (50)\n"
    "  --checkpoint FILE   written after each epoch, every --checkpoint-every N steps, and when a signal asks to end: Ctrl-C,\n"
    "                      SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, or nobody reads the output (SIGPIPE); the exit code\n"
    "                      is then 128 and the signal's number. A second Ctrl-C or SIGTERM ends at once; what the caller\n"
    "                      ignores, as nohup does, stays ignored (-o's name with .checkpoint appended)\n"
    "  --resume            continue from the checkpoint, bit for bit as if never stopped; start if there is none. More\n"
    "                      --epochs than before make the run longer: a cosine is that of the new length from here on, a\n"
    "                      constant rate (--decay-epochs, which may change too) goes on as if never stopped, if\n"
    "                      its warm-up is the same one (--warmup-steps)\n"
    "                      --other-teacher: the teacher may be another file, depth or command than the run began with\n"
    "  --limit-steps N     stop after N steps, as if that were the end\n"
    "  -o FILE             the file to write, after each epoch and at the end. As all that is written, it is tried before\n"
    "                      the first step, and no other run of tleg writes it meanwhile\n"
    "  --keep both         with validation: -o is the last epoch, and beside it NAME.best the best (by the mean over the\n"
    "                      depths of the validation); best: -o is the best, and nothing beside it; last: the last alone\n"
    "  --patience N        with validation: stop after N epochs in a row that were not better than the best before them\n";
static const char help_left_out[] =
    "  --val-every N       leave out every N-th image of each class's sorted list, from the first on, as a training does\n";
static const char help_recording_run[] =
    "Run\n"
    "  --epochs E          passes over the data to record\n"
    "  --batch B           images computed at once (128); where they are mixed, a training needs the same\n"
    "  --seed S            of the order of pictures, their augmentation and mixing (0): a training's --data-seed\n"
    "  --resume            continue what was stopped; start if there is nothing yet\n"
    "  -o FILE             the recording; FILE.part while it is under way\n";

const char *const training_help[] = {help_data,     help_latents, help_validation, help_depths, help_loading, help_teacher,
                                     help_teaching, help_steps,   help_pictures,   help_run,    NULL};
const char *const tuning_help[] = {help_data,     help_latents, help_validation, help_loading, help_teacher,
                                   help_teaching, help_steps,   help_pictures,   help_run,     NULL};
const char *const recording_help[] = {help_data,     help_left_out,      help_loading, help_teacher,
                                      help_pictures, help_recording_run, NULL};

/* ---- what goes together ---- */

/* A share that is below 1, or at most 1; below 0: not given. */
static bool check_shares(const struct invocation *call, const struct training_options *options, int *code) {
    const struct {
        const char *name;
        double value;
        bool below;
    } shares[] = {{"--alpha", options->alpha, false},
                  {"--smoothing", options->smoothing, true},
                  {"--ema", options->ema, true},
                  {"--momentum", options->momentum, true},
                  {"--layer-decay", options->layer_decay, false},
                  {"--crop-scale", options->crop_scale, false},
                  {"--flip", options->flip, false},
                  {"--erase", options->erase, false},
                  {"--drop-path", options->drop_path, true},
                  {"--jitter", options->jitter, false}};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        if (shares[i].value > 1 || (shares[i].below && shares[i].value == 1)) {
            *code = tool_misuse(call, "%s takes a number %s 1", shares[i].name, shares[i].below ? "below" : "of at most");
            return false;
        }
    if (options->rand_augment > 10) {
        *code = tool_misuse(call, "--rand-augment takes a magnitude of at most 10");
        return false;
    }
    return true;
}

/* As far as a Beta distribution is drawn from. */
static bool check_mixes(const struct invocation *call, const struct training_options *options, int *code) {
    const struct {
        const char *name;
        double value;
    } mixes[] = {{"--mixup", options->mixup}, {"--cutmix", options->cutmix}};
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++)
        if (mixes[i].value > 0 && (mixes[i].value < 1e-6 || mixes[i].value > 1e6)) {
            *code = tool_misuse(call, "%s takes 0, or a number from 1e-6 to 1e6", mixes[i].name);
            return false;
        }
    return true;
}

/* Whose logits are compared with: one at most. */
static int count_teachers(const struct training_options *options) {
    return !!options->teacher + !!options->teacher_command + !!options->teacher_logits + !!options->recorded;
}

bool training_has_teacher(const struct training_options *options) {
    return count_teachers(options) > 0;
}

static const char *contradiction(const struct training_options *options) {
    bool shaped = options->crop_scale >= 0 || options->rand_augment > 0 || options->jitter > 0 || options->erase > 0;
    if (options->val && options->val_every)
        return "--val and --val-every mean the same: give one";
    const bool judged = options->val || options->val_every || options->recorded; /* a recording knows what it left out */
    if (options->val_depths && !judged)
        return "--val-depths needs --val or --val-every";
    if (options->warmup >= 0 && options->warmup_steps >= 0)
        return "--warmup and --warmup-steps mean the same: give one";
    if (options->patience && !judged)
        return "--patience needs --val or --val-every";
    if (count_teachers(options) > 1)
        return "--teacher, --teacher-command, --teacher-logits and --recorded each name a teacher: give one";
    if (options->record && ((!options->teacher && !options->teacher_command) || options->alpha == 0))
        return "--record keeps what a teacher says: it needs --teacher or --teacher-command, and --alpha above 0";
    if (options->teacher_depth && !options->teacher)
        return "--teacher-depth needs --teacher";
    if (options->teacher_features && !options->teacher && !options->recorded)
        return "--teacher-features are those of --teacher MODEL, or --recorded";
    if (options->teacher_features && options->recorded && (options->val || options->val_every))
        return "--teacher-features of a recording: it has none of the pictures that validate: leave out --val and --val-every";
    if (options->teacher_features &&
        (options->alpha >= 0 || options->tau != 1 || options->smoothing >= 0 || options->class_weights))
        return "--alpha, --tau, --smoothing and --class-weights are of classes, and --teacher-features has none";
    if (options->teacher_features && options->teacher_mean)
        return "--teacher-mean is of logits, and --teacher-features are none";
    if (options->other_teacher && !options->resume)
        return "--other-teacher is for --resume: a run that begins has no other";
    if (options->alpha > 0 && !training_has_teacher(options))
        return "--alpha above 0 needs --teacher, --teacher-command, --teacher-logits or --recorded";
    if (options->augment == AUGMENT_NONE && shaped)
        return "--augment none shows pictures as they are classified; --flip, --mixup, --cutmix and --repeats go with it: "
               "for crops, RandAugment, jitter and erasing use --augment light or deit";
    if (options->teacher_logits && (options->augment != AUGMENT_NONE || options->mixup > 0 || options->cutmix > 0))
        return "stored logits are those of whole pictures, and a random crop or a mix would change the pictures: use "
               "--augment none with --teacher-logits (--flip may be added)";
    return NULL;
}

bool training_settle(const struct invocation *call, const struct training_options *options, int *code) {
    int32_t depths[TRAINING_DEPTHS], count;
    uint64_t seed;
    if (!options->data || !options->epochs || !options->out) {
        *code = tool_misuse(call, options->epochs ? "needs --data and -o" : "needs --data, --epochs and -o");
        return false;
    }
    if (options->val_depths && !depths_list(options->val_depths, depths, TRAINING_DEPTHS, &count)) {
        *code = tool_misuse(call, "--val-depths takes up to %d depths from 1 to %d, such as 3,6,12 or 2-12; found \"%s\"",
                            TRAINING_DEPTHS, TLEG_MAX_DEPTH, options->val_depths);
        return false;
    }
    if (options->data_seed && !options_read_seed(options->data_seed, &seed)) {
        *code = tool_misuse(call, "--data-seed takes a whole number, 0 or more; found \"%s\"", options->data_seed);
        return false;
    }
    const char *text = contradiction(options);
    if (text) {
        *code = tool_misuse(call, "%s", text);
        return false;
    }
    *code = training_check_optimiser(call, options);
    if (*code == EXIT_DONE && options->freeze)
        *code = training_read_freeze(call, options->freeze, &(int32_t){0});
    return *code == EXIT_DONE && check_shares(call, options, code) && check_mixes(call, options, code);
}

/* ---- the recipe ---- */

static double given(double value, double otherwise) {
    return value >= 0 ? value : otherwise;
}

void training_recipe(const struct training_options *options, const tleg_config *config, struct recipe *recipe) {
    bool deit = options->augment == AUGMENT_DEIT, none = options->augment == AUGMENT_NONE,
         small = config->image_size <= 32 && config->image_width <= 32;
    double magnitude = given(options->rand_augment, deit ? 9 : 0);
    const double smoothing = given(options->smoothing, source_draws(config) || options->teacher_features ? 0 : 0.1);
    *recipe = (struct recipe){
        .shaped = !none,
        .flip = given(options->flip, none ? 0 : 0.5),
        .repeats = options->repeats ? options->repeats
                   : deit           ? 3
                                    : 1,
        .mix = {.struct_size = sizeof recipe->mix,
                .classes = config->classes,
                .image_width = config->image_width,
                .mixup = given(options->mixup, deit ? 0.8 : 0),
                .cutmix = given(options->cutmix, deit ? 1 : 0),
                .smoothing = smoothing,
                .channels = config->channels},
        .smoothing = smoothing,
        .alpha = given(options->alpha, training_has_teacher(options) ? 1 : 0),
        .views = options->views,
        .seed = options->seed,
    };
    if (options->data_seed)
        options_read_seed(options->data_seed, &recipe->seed);
    recipe->mixed = recipe->mix.mixup > 0 || recipe->mix.cutmix > 0;
    recipe->augment = (tleg_augment_options){.struct_size = sizeof recipe->augment,
                                             .padding = small && options->crop_scale < 0 ? 4 : 0,
                                             .crop_least = given(options->crop_scale, 0),
                                             .flip = recipe->flip,
                                             .rand_ops = magnitude > 0 ? 2 : 0,
                                             .rand_increasing = 1,
                                             .rand_magnitude = magnitude,
                                             .rand_std = magnitude > 0 ? 0.5 : 0,
                                             .jitter = given(options->jitter, deit ? 0.4 : 0),
                                             .erase = given(options->erase, deit ? 0.25 : 0)};
}

/* One line that says all of it. kept: as all versions keep it in checkpoints, which are compared by it. */
void training_describe(const struct recipe *recipe, bool kept, char text[RECIPE_TEXT]) {
    const tleg_augment_options *a = &recipe->augment;
    char crop[64];
    if (!recipe->shaped)
        snprintf(crop, sizeof crop, "no crop");
    else if (a->padding)
        snprintf(crop, sizeof crop, "crop after padding %d (of pictures of another size: 0.08 to 1)", (int)a->padding);
    else
        snprintf(crop, sizeof crop, "crop of %g to 1", a->crop_least > 0 ? a->crop_least : 0.08);
    snprintf(text, RECIPE_TEXT, "%s, flip %g, RandAugment %g, jitter %g, erasing %g, mixup %g, cutmix %g, smoothing %g", crop,
             recipe->flip, recipe->shaped ? a->rand_magnitude : 0, recipe->shaped ? a->jitter : 0,
             recipe->shaped ? a->erase : 0, recipe->mix.mixup, recipe->mix.cutmix, recipe->smoothing);
    size_t length = strlen(text);
    if (kept || recipe->repeats != 1)
        snprintf(text + length, RECIPE_TEXT - length, ", each picture %d times", (int)recipe->repeats);
    length = strlen(text);
    if (recipe->views)
        snprintf(text + length, RECIPE_TEXT - length, ", %d epoch%s of them, repeated", (int)recipe->views,
                 kept ? "s" : tool_plural(recipe->views));
}
