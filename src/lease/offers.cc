#include "lease/offers.h"

#include <algorithm>

#include "lease/slot.h"

namespace hookline::lease {

bool Offers::reserve() {
  if (!offers_.reserve(kOffersMax + 1 + kBins)) return false;
  if (!index_.reserve(kOffersMax)) return false;
  held_ = {};
  unused_ = 0;
  untouched_ = 1;
  size_ = 0;
  probing_ = 0;
  offers_[0].order = {0, 0};
  for (uint32_t bin = kFirstBin; bin < kFirstBin + kBins; ++bin) offers_[bin].in_bin = {bin, bin};
  return true;
}

void Offers::clear() {
  while (offers_.size() != 0 && offers_[0].order.next != 0) remove(offers_[0].order.next);
}

void Offers::link(Link Offer::*list, uint32_t head, uint32_t offer) {
  const uint32_t last = (offers_[head].*list).previous;
  offers_[offer].*list = {head, last};
  (offers_[last].*list).next = offer;
  (offers_[head].*list).previous = offer;
}

void Offers::unlink(Link Offer::*list, uint32_t offer) {
  const Link at = offers_[offer].*list;
  (offers_[at.previous].*list).next = at.next;
  (offers_[at.next].*list).previous = at.previous;
}

uint32_t Offers::find(const Digest& client) const {
  return index_.find(client.a, [&](uint32_t offer) { return offers_[offer].client == client; });
}

uint32_t Offers::to_evict() const {
  if (size_ < kOffersMax) return 0;
  const auto most = std::max_element(held_.begin(), held_.end()) - held_.begin();
  return offers_[kFirstBin + static_cast<uint32_t>(most)].in_bin.next;
}

uint32_t Offers::add(const Digest& client, uint32_t slot, uint64_t source, LeaseSeconds until) {
  CHECK(size_ < kOffersMax, "to_evict() was asked");
  uint32_t offer = unused_;
  if (offer != 0) {
    unused_ = offers_[offer].order.next;
  } else {
    offer = untouched_++;
  }
  const auto bin = static_cast<uint32_t>(source % kBins);
  offers_[offer] = {client, slot, until, {}, {}, bin, Checked::No, 0};
  link(&Offer::order, 0, offer);
  link(&Offer::in_bin, kFirstBin + bin, offer);
  CHECK(index_.insert(client.a, offer), "the index has room for every offer");
  ++held_[bin];
  ++size_;
  return offer;
}

void Offers::extend(uint32_t offer, LeaseSeconds until) {
  offers_[offer].until = until;
  unlink(&Offer::order, offer);
  link(&Offer::order, 0, offer);
  unlink(&Offer::in_bin, offer);
  link(&Offer::in_bin, kFirstBin + offers_[offer].bin, offer);
}

void Offers::set_checked(uint32_t offer, Checked checked, LeaseSeconds now) {
  if (offers_[offer].checked == Checked::Probing) --probing_;
  if (checked == Checked::Probing) ++probing_;
  offers_[offer].checked = checked;
  offers_[offer].checked_at = now;
}

void Offers::remove(uint32_t offer) {
  set_checked(offer, Checked::No, 0);
  index_.erase(offers_[offer].client.a, offer);
  unlink(&Offer::order, offer);
  unlink(&Offer::in_bin, offer);
  --held_[offers_[offer].bin];
  --size_;
  offers_[offer].order.next = unused_;
  unused_ = offer;
}

uint32_t Offers::first_over(LeaseSeconds now) const {
  const uint32_t oldest = offers_.size() == 0 ? 0 : offers_[0].order.next;
  return oldest != 0 && offers_[oldest].until <= now ? oldest : 0;
}

void Offers::shift_times(int64_t step_s) {
  if (size_ == 0) return;
  for (uint32_t i = offers_[0].order.next; i != 0; i = offers_[i].order.next) {
    offers_[i].until = shifted(offers_[i].until, step_s);
    offers_[i].checked_at = shifted(offers_[i].checked_at, step_s);
  }
}

}  // namespace hookline::lease
