// The same in C++11, with the handles in unique_ptr and an elastic session.   consumer GENE IMAGES ANSWERS
#include <cmath>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <tleg/tleg.h>
#include <vector>

namespace {

template <typename T, void (*Free)(T *)> struct Deleter {
    void operator()(T *handle) const {
        Free(handle);
    }
};
template <typename T, void (*Free)(T *)> using Handle = std::unique_ptr<T, Deleter<T, Free>>;
using Context = Handle<tleg_context, tleg_context_free>;
using Gene = Handle<tleg_learngene, tleg_learngene_free>;
using Expander = Handle<tleg_expander, tleg_expander_free>;
using Session = Handle<tleg_session, tleg_session_free>;
using File = Handle<tleg_file, tleg_file_free>;
using Tensor = Handle<tleg_tensor, tleg_tensor_free>;

void check(const Context &context, tleg_status status) {
    if (status != TLEG_OK) {
        throw std::runtime_error(std::string(tleg_status_name(status)) + ": " + tleg_context_get_error(context.get()));
    }
}

std::vector<float> read(const Context &context, const char *path, const char *name, int64_t &rows) {
    tleg_file *opened = nullptr;
    check(context, tleg_file_open(context.get(), path, NULL, &opened));
    File file(opened);
    tleg_tensor *found = nullptr;
    check(context, tleg_file_read_tensor(context.get(), file.get(), name, &found));
    Tensor tensor(found);
    tleg_tensor_info info = tleg_tensor_info();
    info.struct_size = sizeof info;
    check(context, tleg_tensor_get_info(context.get(), tensor.get(), &info));
    rows = info.shape[0];
    const float *data = static_cast<const float *>(info.data);
    return std::vector<float>(data, data + info.bytes / sizeof(float));
}

double run(char **argv) {
    tleg_context *created = nullptr;
    if (tleg_context_create(nullptr, &created) != TLEG_OK) {
        throw std::runtime_error("no context");
    }
    Context context(created);
    int64_t batch = 0;
    const std::vector<float> images = read(context, argv[2], "images", batch);
    const std::vector<float> answers = read(context, argv[3], "logits", batch);

    tleg_learngene *gene = nullptr;
    check(context, tleg_learngene_open(context.get(), argv[1], NULL, &gene));
    Gene gene_handle(gene);
    tleg_expander *expander = nullptr;
    check(context, tleg_expander_create(context.get(), gene, nullptr, &expander));
    Expander expander_handle(expander);
    tleg_session *session = nullptr;
    check(context, tleg_session_create_elastic(context.get(), expander, 4, nullptr, &session));
    Session session_handle(session);

    std::vector<float> logits(answers.size());
    if (tleg_session_run(session, batch, images.data(), images.size(), logits.data(), logits.size(), nullptr, 0) != TLEG_OK) {
        throw std::runtime_error(tleg_session_get_error(session));
    }
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < logits.size(); i++) {
        difference += std::pow(double(logits[i]) - answers[i], 2);
        norm += std::pow(double(answers[i]), 2);
    }
    return std::sqrt(difference / norm);
}

} // namespace

int main(int argc, char **argv) {
    try {
        const double error = argc == 4 ? run(argv) : 1;
        std::printf("relative error %.1e\n", error);
        return error < 1e-4 ? 0 : 1;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
