// The bits/dim of a sweep: statistics of each model on both splits, the table that the suite asks for, and
// the bound of each cell's own path.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "harness/learning.h"
#include "harness/plan.h"
#include "harness/suite.h"
#include "store/run_file.h"

namespace schedbench {

class LikelihoodRun {
  public:
    using EditRun = std::function<void(const std::function<void(RunEdit&)>&)>;

    LikelihoodRun(const Suite& suite, const Plan& plan, Learning& learning, std::string run_path)
        : suite_(suite), plan_(plan), learning_(learning), run_path_(std::move(run_path)) {}

    /// Does the suite ask for any?
    bool wanted() const { return !suite_.bpd_strides.empty() || suite_.bpd_cells; }
    /// What must still be measured for one model: evaluations of single images, 0 if all is there; and of
    /// these, how many each image of both splits costs.
    struct Work {
        int64_t evaluations = 0, per_image = 0;
    };
    Work work(const PlannedModel& model);
    /// Measures, bounds and stores. What cannot be done is added to `failures`.
    void run(const EditRun& edit_run, std::vector<std::string>& failures);

  private:
    struct Splits {
        const DenoisingStatistics &train, &test;
    };
    Spec test_data() const { return suite_.heldout.name == "none" ? suite_.data : suite_.heldout; }
    Splits measure(const PlannedModel& model);
    void table(const PlannedModel& model, const Splits& splits, const EditRun& edit_run);
    void cells(size_t model, const Splits& splits, const EditRun& edit_run,
               std::vector<std::string>& failures);

    const Suite& suite_;
    const Plan& plan_;
    Learning& learning_;
    std::string run_path_;
};

}  // namespace schedbench
