// SPDX-License-Identifier: GPL-2.0
/*
 * The device: open, read, write, poll, mmap, release.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/slab.h>

#include "base/compat.h"
#include "dev/endpoint.h"
#include "log/publish.h"
#include "log/refusal.h"
#include "log/topic.h"

static int chardev_open(struct inode *inode, struct file *file)
{
	struct mqbus_endpoint *ep;

	ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);
	if (!ep)
		return -ENOMEM;
	mutex_init(&ep->lock);
	/* The file holds its credentials; the endpoint holds the namespace with its topics */
	ep->caller.cred = file->f_cred;
	ep->caller.file = file;
	ep->caller.net = get_net(current->nsproxy->net_ns);
	file->private_data = ep;
	return nonseekable_open(inode, file);
}

/*
 * The last reference is gone: no call runs, no mapping or poller is left. On return
 * another member can get the records that a dead one had not committed.
 */
static int chardev_release(struct inode *inode, struct file *file)
{
	struct mqbus_endpoint *ep = file->private_data;
	struct net *net = ep->caller.net, *entered = ep->entered;

	if (ep->producer)
		mqbus_producer_close(ep->producer);
	if (ep->member)
		mqbus_member_close(ep->member);
	kfree(ep);
	if (entered)
		put_net(entered);
	put_net(net);
	return 0;
}

static bool nonblock(const struct kiocb *iocb)
{
	return iocb->ki_filp->f_flags & O_NONBLOCK || iocb->ki_flags & IOCB_NOWAIT;
}

static ssize_t chardev_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct mqbus_member *member = mqbus_endpoint_member(iocb->ki_filp->private_data);

	return member ? mqbus_member_read(member, to, nonblock(iocb)) : -EBADFD;
}

static ssize_t chardev_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct mqbus_producer *producer = mqbus_endpoint_producer(iocb->ki_filp->private_data);

	return producer ? mqbus_publish_value(producer, from, nonblock(iocb)) : -EBADFD;
}

static __poll_t chardev_poll(struct file *file, struct poll_table_struct *wait)
{
	const struct mqbus_endpoint *ep = file->private_data;
	struct mqbus_producer *producer = mqbus_endpoint_producer(ep);
	struct mqbus_member *member = mqbus_endpoint_member(ep);

	if (producer)
		return mqbus_producer_poll(producer, file, wait);
	return member ? mqbus_member_poll(member, file, wait) : EPOLLERR;
}

static vm_fault_t chardev_fault(struct vm_fault *vmf)
{
	struct mqbus_part *part = vmf->vma->vm_private_data;
	unsigned long index = (vmf->address - vmf->vma->vm_start) >> PAGE_SHIFT;
	struct page *page = mqbus_memory_page(&part->mem, index);

	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

/* The remainder of a split mapping would start at an offset that mmap() refuses. */
static int chardev_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

static const struct vm_operations_struct chardev_vm_ops = {
	.fault = chardev_fault,
	.may_split = chardev_may_split,
};

/*
 * The mapping holds the file, and the file the topic: the partition outlives
 * its mappings.
 */
static int chardev_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mqbus_endpoint *ep = file->private_data;
	struct mqbus_member *member = mqbus_endpoint_member(ep);
	struct mqbus_topic *topic;
	struct mqbus_part *part;
	unsigned long pages, index;

	if (!member)
		return -EBADFD;
	topic = member->topic;
	pages = mqbus_memory_map_len(topic->ring_size) >> PAGE_SHIFT;
	index = vma->vm_pgoff / pages;
	/* Check before truncating to 32 bits */
	if (index > topic->nr_parts)
		return -ECHRNG;
	/* The retry ring is mapped behind all partitions */
	part = mqbus_endpoint_part(ep, index == topic->nr_parts ? MQBUS_RETRY : index);
	if (!part)
		return -ECHRNG;
	if (vma_pages(vma) != mqbus_memory_map_len(part->mem.size) >> PAGE_SHIFT ||
	    vma->vm_pgoff % pages)
		return -EINVAL;
	/* A file not open for writing has VM_MAYSHARE but not VM_SHARED */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	/* mprotect() must not make it writable later */
	vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYWRITE | VM_MAYEXEC);
	vma->vm_private_data = part;
	vma->vm_ops = &chardev_vm_ops;
	return 0;
}

const struct file_operations mqbus_fops = {
	.owner = THIS_MODULE,
	.open = chardev_open,
	.release = chardev_release,
	.read_iter = chardev_read,
	.write_iter = chardev_write,
	.poll = chardev_poll,
	.mmap = chardev_mmap,
	.unlocked_ioctl = mqbus_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
