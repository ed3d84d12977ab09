#include "store/slim_copy.h"

#include <filesystem>

namespace schedbench {

void write_slim_copy(const RunFile& run, const std::string& path) {
    const std::string fresh = path + ".slim.h5";
    std::error_code ignored;
    std::filesystem::remove(fresh, ignored);
    {
        const RunLock lock(fresh);
        RunEdit edit(lock, run.header());
        for (const std::string& id : run.ids("suites")) edit.put(run.suite(id));
        for (const std::string& id : run.ids("provenance")) edit.put(run.provenance(id));
        for (const std::string& id : run.ids("models")) edit.put(run.model(id));
        for (const std::string& id : run.ids("data")) edit.put(run.data(id));
        for (const std::string& id : run.ids("extractors")) edit.put(run.extractor(id));
        for (const std::string& id : run.ids("schedules")) edit.put(run.schedule(id));
        for (const std::string& id : run.ids("likelihood")) edit.put(run.likelihood(id));
        for (const std::string& id : run.ids("reference")) {
            ReferenceRecord reference = run.reference(id);
            reference.features.clear();
            edit.put(reference);
        }
        for (const std::string& id : run.ids("cells")) {
            CellRecord cell = run.cell(id, CellParts::metrics);
            cell.preview.clear(), cell.preview_shape.clear();
            cell.image_shape.clear();
            cell.feature_dim = 0;
            cell.extractor.clear();
            edit.put_cell(cell);
        }
        edit.commit();
    }
    std::filesystem::rename(fresh, path);
    std::filesystem::remove(lock_path(fresh), ignored);
}

}  // namespace schedbench
