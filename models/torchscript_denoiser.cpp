#include "models/torchscript_denoiser.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "core/torchscript.h"
#include "models/program_denoiser.h"

namespace schedbench {

namespace {

void check_inputs(const TorchScript& program, int64_t classes) {
    const auto inputs = program.inputs();
    const auto required = static_cast<size_t>(
        std::count_if(inputs.begin(), inputs.end(), [](const auto& input) { return !input.has_default; }));
    const size_t given = classes > 0 ? 3 : 2;
    if (inputs.size() < given || required > given)
        throw Error("file",
                    "forward() takes " + std::to_string(inputs.size()) + " inputs, " +
                        std::to_string(required) + " of them without a default; " + std::to_string(given) +
                        " are given",
                    program.path(), "classes=0 gives image and time, classes=K image, time and label");
}

NetworkProgram program_on(const Spec& completed, at::Device device) {
    const TorchScript script = TorchScript::load(completed.text("file"), device);
    NetworkProgram program;
    program.call = [script](const std::vector<at::Tensor>& inputs) { return script.call(inputs); };
    program.channels = completed.integer("channels");
    program.size = completed.integer("size");
    program.classes = completed.integer("classes");
    program.differentiable = true;
    program.path = script.path(), program.hash = script.hash();
    program.device = device;
    program.moved = [completed, hash = script.hash()](at::Device other) {
        NetworkProgram there = program_on(completed, other);
        if (there.hash != hash)
            throw Error("file", "has changed since it was loaded", there.path, "start again");
        return there;
    };
    check_inputs(script, program.classes);
    return program;
}

}  // namespace

const std::vector<SpecEntry>& torchscript_entries() {
    using Type = SpecParam::Type;
    static const std::vector<SpecEntry> entries = [] {
        SpecEntry entry{"torchscript",
                        "any network, as a TorchScript program of image, time and perhaps label; the file is "
                        "code and is run",
                        "examples/export_torchscript.py",
                        {{"file", Type::text, "", "TorchScript file", {}, true},
                         {"channels", Type::integer, "3", "of the images"},
                         {"size", Type::integer, "32", "height and width of the images, pixels"},
                         {"classes", Type::integer, "0", "number of classes; 0: unconditional"}}};
        // In the order in which the keys have always been printed: it is in the identity of stored models.
        const std::vector<SpecParam> common = program_params();
        entry.params.insert(entry.params.begin() + 1, common.begin(), common.begin() + 3);
        entry.params.insert(entry.params.end(), common.begin() + 3, common.end());
        return std::vector<SpecEntry>{entry};
    }();
    return entries;
}

std::shared_ptr<const Denoiser> load_torchscript(const Spec& completed, const std::string& where) {
    return make_program_denoiser(completed, program_on(completed, at::kCPU), where);
}

}  // namespace schedbench
