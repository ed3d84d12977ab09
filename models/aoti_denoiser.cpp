#include "models/aoti_denoiser.h"

#include <ATen/ATen.h>

#include "core/aoti_package.h"
#include "models/program_denoiser.h"

namespace schedbench {

const std::vector<SpecEntry>& aoti_entries() {
    static const std::vector<SpecEntry> entries = [] {
        SpecEntry entry{"aoti",
                        "any network, compiled by AOTInductor for this CPU; the file is code and is run",
                        "examples/export_aoti.py",
                        {{"file", SpecParam::Type::text, "", "AOTInductor package (.pt2)", {}, true}}};
        for (const SpecParam& param : program_params()) entry.params.push_back(param);
        return std::vector<SpecEntry>{entry};
    }();
    return entries;
}

std::shared_ptr<const Denoiser> load_aoti(const Spec& completed, const std::string& where) {
    const AotiPackage package = AotiPackage::load(completed.text("file"));
    NetworkProgram program;
    program.call = [package](std::vector<at::Tensor> inputs) {
        for (at::Tensor& input : inputs) input = input.contiguous();
        return package.call(inputs);
    };
    program.channels = package.channels();
    program.size = package.size();
    program.classes = package.classes();
    program.path = package.path(), program.hash = package.hash();
    return make_program_denoiser(completed, std::move(program), where);
}

}  // namespace schedbench
