#include "dit/pass/drawing.h"

#include "vit/weights/weights.h"

void tleg_drawing_lay_out(const tleg_config *config, int32_t batch, struct tleg_drawing_layout *layout) {
    size_t end = TLEG_DRAWING_HANDLE;
    layout->rows = batch < 2 ? 2 : batch;
    const size_t rows = (size_t)layout->rows;
    layout->images = tleg_place_rows(&end, rows, (size_t)tleg_config_image(config));
    layout->noise = tleg_place_rows(&end, rows, (size_t)tleg_config_outputs(config));
    layout->times = tleg_place(&end, rows, sizeof(int64_t));
    layout->labels = tleg_place(&end, rows, sizeof(int64_t));
    layout->bytes = end;
}
