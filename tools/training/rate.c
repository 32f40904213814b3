/* The learning rate of a training: what its options mean, said aloud, and the rate of each step. */
#include "private.h"

#include <inttypes.h>
#include <stdio.h>

static bool by_step(const struct training_options *options) {
    return options->warmup_steps >= 0 || options->decay_epochs >= 0;
}

/* Epochs: those asked for; else the verb's own, as far as the peak is reached in half of the run as it was planned: a warm-up
 * of W epochs has it in the epoch after W + 1. */
static int32_t warmup_of(const struct state *state) {
    const struct training_options *options = state->options;
    const int32_t most = state->planned / 2 > 1 ? state->planned / 2 - 1 : 0;
    if (options->warmup >= 0 || options->warmup_steps >= 0)
        return options->warmup >= 0 ? options->warmup : 0;
    return state->target->warmup < most ? state->target->warmup : most;
}

/* With a rate for each epoch the first two have the same (DeiT's). */
static void warn_of_peak(const struct state *state) {
    const tleg_train_rate *rate = &state->rate;
    if (!by_step(state->options) && rate->warmup > 0 && rate->warmup + 1 >= rate->epochs && training_first(state))
        tool_note(state->call,
                  "--warmup %d: the rate comes to its peak after %d epochs; the run has %d (--warmup-steps counts steps)",
                  (int)rate->warmup, (int)rate->warmup + 1, (int)rate->epochs);
}

static int check(const struct state *state) {
    const struct training_options *options = state->options;
    const tleg_train_rate *rate = &state->rate;
    if (options->lr_end > state->rate.peak)
        return tool_misuse(state->call, "--lr-end %g is above the learning rate of the steps, %g (--lr and --batch make it)",
                           options->lr_end, rate->peak);
    if (rate->warmup_steps > rate->steps * rate->epochs)
        return tool_misuse(state->call, "--warmup-steps %d: the run has %lld steps", (int)rate->warmup_steps,
                           (long long)(rate->steps * rate->epochs));
    double warmup = rate->warmup_steps ? (double)rate->warmup_steps / (double)rate->steps : rate->warmup;
    if (warmup + rate->decay > rate->epochs)
        return tool_misuse(state->call, "%g epochs of warm-up and %d of --decay-epochs: the run has %d epochs", warmup,
                           (int)rate->decay, (int)rate->epochs);
    return EXIT_DONE;
}

int training_settle_rate(struct state *state) {
    const struct training_options *options = state->options;
    int64_t step = (int64_t)options->batch * options->accumulate;
    state->rate = (tleg_train_rate){.struct_size = sizeof state->rate,
                                    .epochs = options->epochs,
                                    .warmup = warmup_of(state),
                                    .warmup_steps = options->warmup_steps > 0 ? options->warmup_steps : 0,
                                    .steps = state->steps_an_epoch,
                                    .curve = options->decay_epochs >= 0 ? TLEG_RATE_CONSTANT : TLEG_RATE_COSINE,
                                    .decay = options->decay_epochs > 0 ? options->decay_epochs : 0,
                                    .peak = options->lr_absolute ? options->lr : options->lr * (double)step / 512,
                                    .end = options->lr_end > 0    ? options->lr_end
                                           : options->lr_end == 0 ? -1
                                                                  : 0};
    const int code = check(state);
    if (code == EXIT_DONE)
        warn_of_peak(state);
    return code;
}

static int find(const struct state *state, const tleg_train_rate *rate, int64_t step, double *found) {
    tleg_status status = by_step(state->options)
                             ? tleg_train_rate_of_step(state->context, rate, step, found)
                             : tleg_train_rate_of_epoch(state->context, rate, (int32_t)(step / rate->steps), found);
    return status == TLEG_OK ? EXIT_DONE : tool_fail_context(state->call, state->context);
}

int training_find_rate(const struct state *state, int64_t step, double *rate) {
    return find(state, &state->rate, step, rate);
}

double training_first_rate(const struct state *state) {
    double rate = 0;
    (void)find(state, &state->rate, 0, &rate);
    return rate;
}

/* The rate at the very end, with the library's default settled. */
static double end_of(const tleg_train_rate *rate) {
    double end = 0;
    (void)tleg_train_rate_of_step(NULL, rate, rate->epochs * rate->steps, &end);
    return end;
}

void training_describe_warmup(const struct state *state, char text[RATE_TEXT]) {
    const tleg_train_rate *rate = &state->rate;
    int32_t length = rate->warmup_steps ? rate->warmup_steps : rate->warmup;
    snprintf(text, RATE_TEXT, "%d %s%s", (int)length, rate->warmup_steps ? "step" : "epoch", length == 1 ? "" : "s");
}

void training_describe_curve(const struct state *state, char text[RATE_TEXT]) {
    const tleg_train_rate *rate = &state->rate;
    if (rate->curve == TLEG_RATE_COSINE)
        snprintf(text, RATE_TEXT, "a cosine to %g%s", end_of(rate), by_step(state->options) ? ", a new rate each step" : "");
    else if (rate->decay)
        snprintf(text, RATE_TEXT, "constant, and in the last %d epoch%s straight to %g", (int)rate->decay,
                 rate->decay == 1 ? "" : "s", end_of(rate));
    else
        snprintf(text, RATE_TEXT, "constant");
}

void training_describe_schedule(const struct state *state, char text[RATE_TEXT]) {
    snprintf(text, RATE_TEXT, "%s to %.17g, by %s", state->rate.curve == TLEG_RATE_COSINE ? "cosine" : "constant",
             end_of(&state->rate), by_step(state->options) ? "step" : "epoch");
}

/* ---- a resumed run of another length ---- */

static int check_length(const struct state *state, int32_t epochs, int64_t steps) {
    const tleg_train_rate *now = &state->rate;
    int64_t done = (steps + now->steps - 1) / now->steps, left = now->epochs - done;
    if (now->epochs < epochs && now->curve == TLEG_RATE_COSINE)
        return tool_fail(state->call, "%s: a run of %d epochs: --resume takes as many or more, found --epochs %d",
                         state->checkpoint, (int)epochs, (int)now->epochs);
    if (left < 0 || now->decay > left)
        return tool_fail(state->call, "%s: holds %" PRId64 " epochs: --epochs %d leaves too few for --decay-epochs %d",
                         state->checkpoint, done, (int)now->epochs, (int)now->decay);
    return EXIT_DONE;
}

int training_change_length(const struct state *state, int32_t epochs, int32_t decay, int64_t steps) {
    tleg_train_rate then = state->rate;
    double last = 0, again = 0, next = 0; /* of the step before, as it was and by the new length, and of the coming one */
    if (epochs == then.epochs && decay == then.decay)
        return EXIT_DONE;
    int code = check_length(state, epochs, steps);
    then.epochs = epochs;
    then.decay = decay;
    if (code == EXIT_DONE)
        code = find(state, &then, steps > 0 ? steps - 1 : 0, &last);
    if (code == EXIT_DONE)
        code = training_find_rate(state, steps > 0 ? steps - 1 : 0, &again);
    if (code == EXIT_DONE)
        code = training_find_rate(state, steps, &next);
    if (code != EXIT_DONE || !training_first(state))
        return code;
    if (then.curve == TLEG_RATE_CONSTANT && last == again)
        tool_note(
            state->call,
            "%s: a run of %d epochs goes on to %d; its rate has not fallen: with the same recipe, batch and warm-up it is "
            "as if never stopped",
            state->checkpoint, (int)epochs, (int)state->rate.epochs);
    else
        tool_note(state->call, "%s: a run of %d epochs goes on to %d; from here on the rate is that of %d epochs, %g after %g",
                  state->checkpoint, (int)epochs, (int)state->rate.epochs, (int)state->rate.epochs, next, last);
    return EXIT_DONE;
}
