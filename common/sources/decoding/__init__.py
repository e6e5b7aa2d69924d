"""Files and pipes of any format → sound, as it comes: nothing believed about its length, nothing left out unsaid."""
