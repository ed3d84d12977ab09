#include "core/background_worker.h"

#include <utility>

#include "core/error.h"

namespace schedbench {

BackgroundWorker::BackgroundWorker(size_t depth) : depth_(depth), thread_([this] { work(); }) {
    SCHEDBENCH_ASSERT(depth >= 1);
}

BackgroundWorker::~BackgroundWorker() {
    {
        const std::lock_guard<std::mutex> guard(mutex_);
        stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void BackgroundWorker::throw_failure() {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void BackgroundWorker::add(std::function<void()> job) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return jobs_.size() < depth_ || failed_; });
    throw_failure();
    if (failed_) return;
    jobs_.push_back(std::move(job));
    changed_.notify_all();
}

void BackgroundWorker::finish() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return jobs_.empty() || failed_; });
    throw_failure();
}

void BackgroundWorker::work() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
        if (stop_) return;
        const std::function<void()> job = std::move(jobs_.front());
        lock.unlock();
        std::exception_ptr failure;
        try {
            job();
        } catch (...) {
            failure = std::current_exception();
        }
        lock.lock();
        // Removed only now, so that the job at work counts towards the depth.
        jobs_.pop_front();
        if (failure) {
            failure_ = failure, failed_ = true;
            jobs_.clear();
        }
        changed_.notify_all();
        if (failed_) return;
    }
}

}  // namespace schedbench
