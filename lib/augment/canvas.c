/* What operations on a picture share. */
#include "augment/private.h"
#include <string.h>

void tleg_canvas_keep(const struct tleg_canvas *canvas) {
    memcpy(canvas->spare, canvas->rgb, tleg_canvas_bytes(canvas));
}
