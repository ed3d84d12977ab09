// One thread that does jobs in the order in which they were given, beside the thread that gives them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace schedbench {

class BackgroundWorker {
  public:
    /// depth >= 1: jobs that may be unfinished before add() waits; so what jobs hold is bounded.
    explicit BackgroundWorker(size_t depth);
    /// Jobs that have not begun are dropped: call finish() first, unless an error is on its way.
    ~BackgroundWorker();
    BackgroundWorker(const BackgroundWorker&) = delete;
    BackgroundWorker& operator=(const BackgroundWorker&) = delete;

    /// Throws what an earlier job threw (once); jobs after a failed one are not done.
    void add(std::function<void()> job);
    /// Waits until all jobs are done; throws like add().
    void finish();

  private:
    void work();
    void throw_failure();

    const size_t depth_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> jobs_;  ///< the first is at work until it is removed
    std::exception_ptr failure_;
    bool failed_ = false, stop_ = false;
    std::thread thread_;  ///< last: it starts when everything else is there
};

}  // namespace schedbench
