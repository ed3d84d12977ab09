// Learning in a sweep: each learned schedule is measured once for a model and its data, by the first rank
// that needs it; the others wait and read what it wrote. A continued or extended run takes it from the run
// file.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "data/dataset.h"
#include "harness/plan.h"
#include "likelihood/denoising_statistics.h"
#include "likelihood/probe_source.h"
#include "schedules/learned_schedule.h"
#include "store/run_file.h"

namespace schedbench {

/// Error("spec") if a schedule has to be learned from a network, but the suite names no images.
void check_learning_data(const Plan& plan, const Suite& suite);

class Learning {
  public:
    Learning(const Suite& suite, std::string run_path, const RuntimeSettings& runtime);

    /// What a completed learner spec learned on this model.
    const LearnedSchedule& learned(const Spec& completed, const PlannedModel& model, int max_steps);
    /// Statistics of a model on the first images of a data set: from the suite's files, the run, or measured
    /// now.
    const DenoisingStatistics& statistics(const PlannedModel& model, const Spec& data,
                                          const StatisticsOptions& options, const StatisticsChain& chain,
                                          const std::string& label);

    /// How many images statistics() would still have to measure.
    int64_t images_to_measure(const PlannedModel& model, const Spec& data, const StatisticsOptions& options,
                              const StatisticsChain& chain);

    std::string learned_id(const Spec& completed, const PlannedModel& model);
    /// The learned part of a schedule's record.
    LearnedRecord record(const LearnedSchedule& learned) const;
    void put_records(RunEdit& run) const;  ///< everything learned and measured so far

  private:
    struct Source {
        Dataset data;
        std::unique_ptr<ProbeSource> probes;
    };
    /// The data set, or draws of an exact model where the suite names none.
    const ProbeSource& probes(const PlannedModel& model, const Spec& data);
    /// In the suite's files, the run, or what another rank has just measured.
    std::optional<DenoisingStatistics> stored_statistics(const std::string& id, int64_t images) const;
    std::string statistics_cache(const std::string& id) const;
    void measured(const std::string& id, const std::function<bool()>& find,
                  const std::function<void()>& measure);

    const Suite& suite_;
    std::string run_path_, stack_;
    std::map<std::string, std::unique_ptr<Source>> sources_;
    std::map<std::string, LearnedSchedule> learned_;
    std::map<std::string, DenoisingStatistics> statistics_;
};

}  // namespace schedbench
