/* A schedule from a curve's name and a count. */
#include "curve.h"

#include <stdio.h>
#include <string.h>

enum { POWER = 1, CHEBYSHEV, COSINE };
const struct choice curve_choices[] = {{"power", POWER}, {"chebyshev", CHEBYSHEV}, {"cosine", COSINE}, {NULL, 0}};

/* One segment for each site; where there is one alone, its number of layers makes no difference. */
static void make_schedule(struct curve_options *curves) {
    char how[32] = "false", *text = curves->text;
    if (curves->count > 1)
        snprintf(how, sizeof how, "\"%s\",%d", option_choice_name(curve_choices, curves->curve), (int)curves->count);
    for (int32_t site = 0; tleg_site_key(site); site++) {
        const size_t length = strlen(text);
        snprintf(text + length, sizeof curves->text - length, "%s\"%s\":[[12,%s]]", site ? "," : "{", tleg_site_key(site), how);
    }
    strncat(text, "}", sizeof curves->text - strlen(text) - 1);
    curves->schedule = text;
}

int curve_settle(const struct invocation *call, struct curve_options *curves) {
    if (curves->schedule && (curves->curve || curves->count))
        return tool_misuse(call, "--schedule says it all: leave out --curve and --count");
    if (!curves->count)
        return curves->curve ? tool_misuse(call, "--curve needs --count") : EXIT_DONE;
    if (curves->curve && curves->count == 1)
        return tool_misuse(call, "--curve is for --count 2 or more: one tensor is the same at every layer");
    if (!curves->curve)
        curves->curve = POWER;
    if (curves->curve != POWER || curves->count != 2) /* that is base and ilayer, as without a schedule */
        make_schedule(curves);
    return EXIT_DONE;
}
