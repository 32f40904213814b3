#include "latent_scale.h"

#include "options.h"
#include <stdio.h>
#include <stdlib.h>

int latent_scale_find(const struct invocation *call, const char *path, const tleg_file *file, double *scale) {
    const char *text = tleg_file_get_metadata(file, LATENT_SCALE), *end = text;
    *scale = 0;
    if (!text || (options_read_number(&end, scale) && !*end && *scale > 0))
        return EXIT_DONE;
    *scale = 0;
    return tool_fail(call,
                     "%s: \"" LATENT_SCALE "\" in its metadata: expected a number above 0, such as 0.18215, found \"%.40s\"",
                     path, text);
}

const char *latent_scale_text(double scale, char text[LATENT_SCALE_TEXT]) {
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, LATENT_SCALE_TEXT, "%.*g", digits, scale);
        if (strtod(text, NULL) == scale)
            break;
    }
    return text;
}
